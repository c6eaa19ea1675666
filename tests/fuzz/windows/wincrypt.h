/* SPDX-License-Identifier: Apache-2.0
 *
 * See dpapi.h in this folder.
 */
#include <dpapi.h>
