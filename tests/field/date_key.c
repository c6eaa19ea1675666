/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets a private key's end date from another program: date_key LABEL YYYYMMDD.
 */
#include <stdio.h>
#include <string.h>
#include "tests/tokens/raw.h"

int main(int argc, char **argv)
{
    raw_token token;

    if (argc != 3 || strlen(argv[2]) != sizeof(CK_DATE) || !raw_open(&token))
        return 1;
    CK_ATTRIBUTE date = {CKA_END_DATE, argv[2], sizeof(CK_DATE)};
    const CK_RV rv = token.f->C_SetAttributeValue(
        token.session, raw_find(&token, CKO_PRIVATE_KEY, argv[1]), &date, 1);
    if (rv != CKR_OK)
        fprintf(stderr, "C_SetAttributeValue: 0x%lx\n", rv);
    raw_close(&token, true);
    return rv != CKR_OK;
}
