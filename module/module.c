/* SPDX-License-Identifier: Apache-2.0
 *
 * The module itself holds nothing: the doors bring their exports, the export list chooses them. The
 * life cycle is theirs, too: no constructor, no destructor and no DllMain of ours ever calls into a
 * PKCS#11 library, since under a loader's lock that dead-locks.
 */
typedef int module_is_not_empty;
