/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the probe's tests, and the loop that runs them. The names are stable: scripts read
 * them in the output of p11ekm probe.
 */
#include <stdio.h>
#include "pkcs11/probe/probe_private.h"

/* The order matters: later tests use the keys of earlier ones. */
static const probe_row rows[] = {
    {.name = "rsa-2048-generate", .run = probe_rsa_generate, .bits = 2048},
    {.name = "rsa-3072-generate", .run = probe_rsa_generate, .bits = 3072},
    {.name = "rsa-4096-generate", .run = probe_rsa_generate, .bits = 4096},
    {"oaep-sha1-decrypt", probe_rsa_decrypt, CKM_RSA_PKCS_OAEP, "SHA1", 0, 0, NULL},
    {"oaep-sha1-encrypt", probe_rsa_encrypt, CKM_RSA_PKCS_OAEP, "SHA1", 0, 0, NULL},
    {"oaep-sha256-decrypt", probe_rsa_decrypt, CKM_RSA_PKCS_OAEP, "SHA256", 0, 0, NULL},
    {"oaep-sha256-encrypt", probe_rsa_encrypt, CKM_RSA_PKCS_OAEP, "SHA256", 0, 0, NULL},
    {"rsa-pkcs1-decrypt", probe_rsa_decrypt, CKM_RSA_PKCS, NULL, 0, 0, NULL},
    {"rsa-pkcs1-encrypt", probe_rsa_encrypt, CKM_RSA_PKCS, NULL, 0, 0, NULL},
    {"rsa-raw-decrypt", probe_rsa_raw, CKM_RSA_X_509, "SHA256", 0, 0, NULL},
    {"sha256-rsa-pkcs-sign", probe_rsa_sign, CKM_SHA256_RSA_PKCS, NULL, 0, 0, NULL},
    {"rsa-pkcs-digestinfo-sign", probe_rsa_sign, CKM_RSA_PKCS, NULL, 0, 0, NULL},
    {"aes-128-generate", probe_generate, CKM_AES_KEY_GEN, NULL, CKK_AES, 128, NULL},
    {"aes-192-generate", probe_generate, CKM_AES_KEY_GEN, NULL, CKK_AES, 192, NULL},
    {"aes-256-generate", probe_generate, CKM_AES_KEY_GEN, NULL, CKK_AES, 256, NULL},
    {"aes-256-import", probe_import, CKM_AES_KEY_GEN, NULL, CKK_AES, 256, NULL},
    {"aes-cbc", probe_cipher, CKM_AES_CBC, NULL, CKK_AES, 256, "AES-256-CBC"},
    {"aes-cbc-pad", probe_cipher, CKM_AES_CBC_PAD, NULL, CKK_AES, 256, "AES-256-CBC"},
    {"des3-generate", probe_generate, CKM_DES3_KEY_GEN, NULL, CKK_DES3, 192, NULL},
    {"des3-import", probe_import, CKM_DES3_KEY_GEN, NULL, CKK_DES3, 192, NULL},
    {"des3-cbc", probe_cipher, CKM_DES3_CBC, NULL, CKK_DES3, 192, "DES-EDE3-CBC"},
    {"des3-cbc-pad", probe_cipher, CKM_DES3_CBC_PAD, NULL, CKK_DES3, 192, "DES-EDE3-CBC"},
    {"generic-secret-import", probe_import, CKM_GENERIC_SECRET_KEY_GEN, NULL, CKK_GENERIC_SECRET,
     256, NULL},
    {"oaep-sha1-wrap-aes", probe_wrap, CKM_RSA_PKCS_OAEP, "SHA1", CKK_AES, 256, NULL},
    {"oaep-sha1-unwrap-aes", probe_unwrap, CKM_RSA_PKCS_OAEP, "SHA1", CKK_AES, 256, "AES-256-CBC"},
    {"oaep-sha256-wrap-aes", probe_wrap, CKM_RSA_PKCS_OAEP, "SHA256", CKK_AES, 256, NULL},
    {"oaep-sha256-unwrap-aes", probe_unwrap, CKM_RSA_PKCS_OAEP, "SHA256", CKK_AES, 256,
     "AES-256-CBC"},
    {"oaep-sha1-wrap-generic", probe_wrap, CKM_RSA_PKCS_OAEP, "SHA1", CKK_GENERIC_SECRET, 256,
     NULL},
    {"oaep-sha1-unwrap-generic", probe_unwrap, CKM_RSA_PKCS_OAEP, "SHA1", CKK_GENERIC_SECRET, 256,
     NULL},
    /* Last, because some tokens are unusable after it. */
    {"session-after-error", probe_rsa_after_error, CKM_RSA_PKCS_OAEP, "SHA1", 0, 0, NULL},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static core_status run_test(probe *p, const probe_row *row, core_err *err)
{
    core_status st = tok_session_open(p->session->token, &p->work, err);

    if (st != ST_OK)
        return st;
    p->item->name = row->name;
    row->run(p, row);
    (void)p->f->C_CloseSession(p->work);
    return ST_OK;
}

/* Destroys the objects of the probe. If the session is lost, its session objects are destroyed with
 * it (PKCS #11 v3.1, 5.6.2), and another session destroys the token objects. */
static void destroy_created(tok_session *session, probe *p)
{
    CK_SESSION_HANDLE in = session->handle;
    size_t left = 0;

    for (size_t i = p->made_count; i-- > 0;) {
        CK_RV rv = in == 0 ? CKR_SESSION_HANDLE_INVALID : p->f->C_DestroyObject(in, p->made[i]);
        if (!session->gone && tok_rv_status(rv, TOK_CALL_OTHER) == ST_SESSION_LOST) {
            session->gone = session->dirty = true;
            if (tok_session_open(session->token, &in, NULL) != ST_OK)
                in = 0;
            if (in != 0)
                rv = p->f->C_DestroyObject(in, p->made[i]);
        }
        left += rv != CKR_OK && (!session->gone || rv != CKR_OBJECT_HANDLE_INVALID);
    }
    if (session->gone && in != 0)
        (void)p->f->C_CloseSession(in);
    if (left > 0) {
        core_log(CORE_LOG_WARNING,
                 "token \"%s\": an object of the probe could not be destroyed; if one with the "
                 "label p11ekm-probe is left, remove it",
                 session->token->info.label);
    }
}

/* A test never fails the operation: a refusal is a result. Fails if no session can be opened. */
static core_status run_tests(tok_session *session, void *arg, core_err *err)
{
    tok_probe_item *items = arg;
    core_status st = ST_OK;
    probe *p = core_calloc(1, sizeof *p);

    if (p == NULL)
        return core_fail(err, ST_NO_MEMORY, "probe: out of memory");
    p->session = session;
    p->f = session->f;
    for (size_t i = 0; i < ROWS && st == ST_OK; i++) {
        p->item = &items[i];
        st = run_test(p, &rows[i], err);
    }
    destroy_created(session, p);
    core_rsa_free(p->rsa);
    core_wipe(p, sizeof *p);
    core_free(p);
    return st;
}

core_status tok_probe(tok_token *token, tok_probe_item **out, size_t *count, core_err *err)
{
    core_status st;
    tok_probe_item *items;

    *out = NULL;
    *count = 0;
    if (token->group != NULL) {
        return core_fail(err, ST_TOKEN_AMBIGUOUS,
                         "group \"%s\": its tokens may differ; probe one of them (--token)",
                         token->info.label);
    }
    items = core_calloc(ROWS, sizeof *items);
    if (items == NULL)
        return core_fail(err, ST_NO_MEMORY, "probe: out of memory");
    st = tok_execute_once(token, run_tests, items, err);
    if (st != ST_OK) {
        core_free(items);
        return st;
    }
    *out = items;
    *count = ROWS;
    return ST_OK;
}
