/* SPDX-License-Identifier: Apache-2.0
 *
 * The module contains no code of its own: ekm/ and cmk/ define the exported functions, and the
 * export list selects them. They also control initialization: no constructor, destructor or DllMain
 * of p11ekm calls a PKCS#11 library, because under the loader lock that can deadlock.
 */
typedef int module_is_not_empty;
