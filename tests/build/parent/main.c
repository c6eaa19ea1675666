/* SPDX-License-Identifier: Apache-2.0 */
/* Fails if the loaded library is older than the header that this program is compiled with. */
#include <p11ekm_cmk.h>

int main(void)
{
    return p11ekm_cmk_version() >= P11EKM_CMK_VERSION ? 0 : 1;
}
