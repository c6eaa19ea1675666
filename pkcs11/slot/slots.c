/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists the tokens in the slots of a module and finds the slot of a known token. Slot numbers can
 * change when a token is plugged in and when the module is initialized, so a token is identified by
 * its CK_TOKEN_INFO (label, serial, manufacturer, model). Exactly one slot must match: two matches
 * are an error, not a guess.
 */
#include <string.h>
#include "core/text.h"
#include "pkcs11/slot/selector.h"
#include "pkcs11/slot/slot_private.h"

enum { SLOTS_MOST = 4096 };

/* Copies a blank-padded field without the blanks at both ends (some modules pad on the left), and
 * replaces control characters and invalid UTF-8. `out` has length + 1 bytes. */
static void trim(char *out, const CK_UTF8CHAR *field, size_t length)
{
    size_t from = 0;
    while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == '\0'))
        length--;
    while (from < length && field[from] == ' ')
        from++;
    memcpy(out, field + from, length - from);
    out[length - from] = '\0';
    core_text_sanitize(out, "");
}

/* Notes that another component has finalized the module: recovery then initializes it without
 * back-off. */
static void note_uninitialised(tok_context *ctx, CK_RV rv)
{
    if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
        atomic_store(&ctx->gate->uninitialised, true);
}

CK_RV tok_token_info_get(tok_context *ctx, CK_SLOT_ID slot, CK_TOKEN_INFO *out)
{
    tok_check_inside();
    enum { TRIES = 6, PAUSE_MS = 10 };
    CK_RV rv = ctx->library.f->C_GetTokenInfo(slot, out);

    for (unsigned i = 1; i < TRIES && rv == CKR_GENERAL_ERROR; i++) {
        core_sleep_ms(PAUSE_MS * i);
        rv = ctx->library.f->C_GetTokenInfo(slot, out);
    }
    note_uninitialised(ctx, rv);
    return rv;
}

/* Returns 0 if the token has no limit or does not report one. */
static uint64_t session_limit(CK_ULONG told)
{
    return told == CK_UNAVAILABLE_INFORMATION || told == CK_EFFECTIVELY_INFINITE ||
                   told >= 0xfffffff0UL
               ? 0
               : told;
}

/* Sets the PIN lengths that the token accepts, in bytes; 0 means no limit. Limits that are not
 * reported or contradict each other are ignored. */
static void set_pin_limits(tok_token_info *out, CK_ULONG least, CK_ULONG most)
{
    enum { SENSIBLE_MOST = 65535 };
    const bool least_told = least <= SENSIBLE_MOST, most_told = most <= SENSIBLE_MOST && most > 0;
    const bool fit = !least_told || !most_told || least <= most;

    out->min_pin = least_told && fit ? (unsigned)least : 0;
    out->max_pin = most_told && fit ? (unsigned)most : 0;
}

core_status tok_slot_info(tok_context *ctx, CK_SLOT_ID slot, tok_token_info *out, CK_FLAGS *flags)
{
    CK_TOKEN_INFO info;
    CK_RV rv = tok_token_info_get(ctx, slot, &info);

    memset(out, 0, sizeof *out);
    if (rv != CKR_OK)
        return tok_rv_status(rv, TOK_CALL_OTHER);
    trim(out->label, info.label, sizeof info.label);
    trim(out->manufacturer, info.manufacturerID, sizeof info.manufacturerID);
    trim(out->model, info.model, sizeof info.model);
    trim(out->serial, info.serialNumber, sizeof info.serialNumber);
    out->slot = slot;
    set_pin_limits(out, info.ulMinPinLen, info.ulMaxPinLen);
    out->max_sessions = session_limit(info.ulMaxSessionCount);
    out->max_rw_sessions = session_limit(info.ulMaxRwSessionCount);
    out->login_required = (info.flags & CKF_LOGIN_REQUIRED) != 0;
    out->initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
    out->pin_set = (info.flags & CKF_USER_PIN_INITIALIZED) != 0;
    out->pin_low = (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
    out->pin_last_try = (info.flags & CKF_USER_PIN_FINAL_TRY) != 0;
    out->pin_locked = (info.flags & CKF_USER_PIN_LOCKED) != 0;
    out->pin_to_change = (info.flags & CKF_USER_PIN_TO_BE_CHANGED) != 0;
    out->protected_path = (info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
    if (flags != NULL)
        *flags = info.flags;
    return ST_OK;
}

/* Always calls C_GetSlotList with NULL first: PKCS #11 lets a module update its list of slots only
 * in that call. Retries if the list grows between the two calls. */
core_status tok_slot_list(tok_context *ctx, CK_SLOT_ID **out, CK_ULONG *count, core_err *err)
{
    tok_check_inside();
    const CK_FUNCTION_LIST *f = ctx->library.f;
    core_status st = ST_OK;
    CK_ULONG capacity = 0;
    CK_RV rv = CKR_BUFFER_TOO_SMALL;

    *out = NULL;
    for (int i = 0; i < 3 && rv == CKR_BUFFER_TOO_SMALL; i++) {
        *count = 0;
        rv = f->C_GetSlotList(CK_TRUE, NULL, count);
        if (rv != CKR_OK || *count == 0)
            break;
        capacity = *count;
        core_free(*out);
        *out = capacity <= SLOTS_MOST ? core_calloc(capacity, sizeof **out) : NULL;
        if (*out == NULL) {
            st = capacity <= SLOTS_MOST
                     ? core_fail(err, ST_NO_MEMORY, "out of memory")
                     : core_fail(err, ST_DEVICE, "module \"%s\" reports %lu slots",
                                 ctx->config->module, (unsigned long)capacity);
            goto done;
        }
        rv = f->C_GetSlotList(CK_TRUE, *out, count);
    }
    note_uninitialised(ctx, rv);
    if (rv != CKR_OK) {
        st = core_fail(err, tok_rv_status(rv, TOK_CALL_OTHER),
                       "module \"%s\": C_GetSlotList: %s 0x%lx", ctx->config->module,
                       tok_rv_name(rv), (unsigned long)rv);
    }
    if (*count > capacity) /* a faulty module: it reports more slots than the array can hold */
        *count = capacity;
done:
    if (st != ST_OK || *count == 0) {
        core_free(*out);
        *out = NULL;
        *count = 0;
    }
    return st;
}

static void add_library(tok_context *ctx, tok_token_info *infos, size_t count)
{
    CK_INFO info;
    if (ctx->library.f->C_GetInfo(&info) != CKR_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        trim(infos[i].library, info.libraryDescription, sizeof info.libraryDescription);
        infos[i].cryptoki_major = info.cryptokiVersion.major;
        infos[i].cryptoki_minor = info.cryptokiVersion.minor;
        infos[i].library_major = info.libraryVersion.major;
        infos[i].library_minor = info.libraryVersion.minor;
    }
}

core_status tok_slot_list_tokens(tok_context *ctx, tok_token_info **out, size_t *count,
                                 core_status *silent, core_err *err)
{
    CK_SLOT_ID *slots = NULL;
    CK_ULONG n = 0;

    *out = NULL;
    *count = 0;
    core_status st = tok_slot_list(ctx, &slots, &n, err);
    if (st != ST_OK || n == 0 || slots == NULL)
        return st;
    *out = core_calloc(n, sizeof **out);
    if (*out == NULL) {
        st = core_fail(err, ST_NO_MEMORY, "out of memory");
        goto done;
    }
    for (CK_ULONG i = 0; st == ST_OK && i < n; i++) {
        tok_token_info *info = &(*out)[*count];
        /* Skip uninitialized tokens; SoftHSM, for one, always shows a slot with such a token. */
        const core_status told = tok_slot_info(ctx, slots[i], info, NULL);
        if (told != ST_OK && silent != NULL)
            *silent = told;
        if (told == ST_OK && info->initialised) {
            const core_token_config *config = NULL;
            st = tok_config_of(ctx, info, &config, err);
            if (st == ST_OK && config->alias != NULL)
                memcpy(info->alias, config->alias, strlen(config->alias) + 1);
            (*count)++;
        }
    }
    add_library(ctx, *out, *count);
done:
    core_free(slots);
    return st;
}

bool tok_info_same(const tok_token_info *a, const tok_token_info *b)
{
    return strcmp(a->label, b->label) == 0 && strcmp(a->serial, b->serial) == 0 &&
           strcmp(a->manufacturer, b->manufacturer) == 0 && strcmp(a->model, b->model) == 0;
}

bool tok_info_is(tok_token *token, const tok_token_info *info)
{
    bool fits = true;

    if (!tok_info_same(&token->info, info))
        return false;
    return token->slot_uri == NULL ||
           (tok_selector_fits(token->ctx, token->slot_uri, info, &fits, NULL) == ST_OK && fits);
}

/* Searches all slots for the token. ST_TOKEN_NOT_FOUND, ST_TOKEN_AMBIGUOUS. */
static core_status find_slot(tok_token *token, CK_SLOT_ID *slot, core_err *err)
{
    tok_token_info *infos = NULL;
    size_t count = 0;
    size_t hits = 0;

    core_status st = tok_slot_list_tokens(token->ctx, &infos, &count, NULL, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        if (tok_info_is(token, &infos[i])) {
            *slot = (CK_SLOT_ID)infos[i].slot;
            hits++;
        }
    }
    core_free(infos);
    if (hits == 1)
        return ST_OK;
    return core_fail(err, hits == 0 ? ST_TOKEN_NOT_FOUND : ST_TOKEN_AMBIGUOUS,
                     "token \"%s\" (serial %s): %s; %s", token->info.label, token->info.serial,
                     hits == 0 ? "not present" : "present more than once",
                     core_status_next(ST_DEVICE));
}

bool tok_slot_holds(tok_token *token, CK_SLOT_ID slot)
{
    tok_token_info now;
    return tok_slot_info(token->ctx, slot, &now, NULL) == ST_OK && tok_info_is(token, &now);
}

core_status tok_slot_probe(tok_token *token, CK_SLOT_ID *slot, core_err *err)
{
    *slot = atomic_load(&token->slot);
    return tok_slot_holds(token, *slot) ? ST_OK : find_slot(token, slot, err);
}

core_status tok_slot_resolve(tok_token *token, core_err *err)
{
    CK_SLOT_ID slot = 0;
    core_status st = find_slot(token, &slot, err);
    if (st == ST_OK)
        atomic_store(&token->slot, slot);
    return st;
}
