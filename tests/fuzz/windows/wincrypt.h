/* SPDX-License-Identifier: Apache-2.0
 *
 * See dpapi.h beside it.
 */
#include <dpapi.h>
