/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a provider library, checks it, lists its algorithms, compares it with the catalog, and
 * unloads it.
 */
#include "tools/ekmsql/provider/provider_private.h"

#include <stdlib.h>
#include <string.h>

#define MOST_ALGORITHMS 256 /* a longer enumeration is an error of the provider */

/* The 17 names with the states of error 33085. */
static const struct {
    int state;
    const char *name;
    size_t offset;
} exports[] = {
#define SQL_EXPORT(state, name, parameters) {state, #name, offsetof(sql_calls, name)},
    SQLCP_EXPORTS(SQL_EXPORT)
#undef SQL_EXPORT
};

/* The tags that the engine knows, and the properties that their algorithms must have. */
static const struct {
    const char *tag;
    SqlCpKeyType type;
    SqlCpUlong bits;
    SqlCpUlong iv_bits;
} known[] = {
    {"RSA_512", scp_kt_Asymmetric, 512, 0},   {"RSA_1024", scp_kt_Asymmetric, 1024, 0},
    {"RSA_2048", scp_kt_Asymmetric, 2048, 0}, {"RSA_3072", scp_kt_Asymmetric, 3072, 0},
    {"RSA_4096", scp_kt_Asymmetric, 4096, 0}, {"AES_128", scp_kt_Symmetric, 128, 128},
    {"AES_192", scp_kt_Symmetric, 192, 128},  {"AES_256", scp_kt_Symmetric, 256, 128},
    {"DES", scp_kt_Symmetric, 64, 64},        {"TRIPLE_DES", scp_kt_Symmetric, 128, 64},
    {"DESX", scp_kt_Symmetric, 192, 64},      {"TRIPLE_DES_3KEY", scp_kt_Symmetric, 192, 64},
    {"RC2", scp_kt_Symmetric, 128, 64},       {"RC4", scp_kt_Symmetric, 40, 0},
    {"RC4_128", scp_kt_Symmetric, 128, 0},
};

static bool resolve(sql_engine *e, sql_provider *p)
{
    for (size_t i = 0; i < sizeof exports / sizeof exports[0]; i++) {
        host_function function = host_lib_symbol(p->lib, exports[i].name);
        if (function == NULL) {
            sql_errorlog(e, "%s is missing in %s", exports[i].name, p->path);
            return SQL_RAISE(e, 33085, exports[i].state, p->path);
        }
        memcpy((uint8_t *)&p->call + exports[i].offset, &function, sizeof function);
    }
    return true;
}

const char *sql_version(sql_engine *e, const SqlCpVersion *v)
{
    return sql_format(e, "%02u.%02u.%04u.%02u", (unsigned)v->major, (unsigned)v->minor,
                      (unsigned)v->build, (unsigned)v->revision);
}

static bool check_info(sql_engine *e, const sql_provider *p)
{
    const SqlCpProviderInfo *i = &p->info;
    const SqlCpVersion *v = &i->scpVersion;
    if (v->major != 1 || v->minor != 1 || v->build != 0 || v->revision != 0) {
        return SQL_RAISE(e, 33032, 1,
                         sql_format(e, "%02u.%02u", (unsigned)v->major, (unsigned)v->minor),
                         "01.01");
    }
    if ((uint32_t)i->authType > scp_auth_Basic) {
        return SQL_RAISE(e, 33025, 1, "authentication type");
    }
    if ((i->symmKeySupport | i->asymmKeySupport) & ~(SqlCpUlong)scp_kf_All) {
        return SQL_RAISE(e, 33025, 2, "key support");
    }
    if (i->cbKeyThumbLen == 0 || i->cbKeyThumbLen > scp_MaxThumbprint) {
        return SQL_RAISE(e, 33025, 3, "key thumbprint length");
    }
    return true;
}

/* Ignores an algorithm with an unknown tag; one with a known tag must have the properties of the
 * tag. */
static bool check_algorithm(sql_engine *e, const sql_algorithm *a, bool *usable)
{
    *usable = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].tag, a->tag) == 0) {
            *usable = true;
            if (known[i].bits != a->bits || known[i].type != a->type ||
                a->iv_bits > known[i].iv_bits) {
                return SQL_RAISE(e, 33025, 4, sql_format(e, "algorithm %s", a->tag));
            }
        }
    }
    return true;
}

static bool list_algorithms(sql_engine *e, sql_provider *p)
{
    SqlCpAlgId id = 0;
    sql_algorithm **tail = &p->algorithms;
    for (size_t n = 0; n < MOST_ALGORITHMS; n++) {
        SqlCpError rc = sql_cp_next_algorithm(p, &id);
        if (rc == scp_err_NotFound) {
            return true;
        }
        sql_algorithm a = {0};
        rc = rc == scp_err_Success ? sql_cp_algorithm_info(p, id, &a) : rc;
        if (rc != scp_err_Success) {
            SqlCpError code = rc == SQL_CP_BROKEN ? 0 : rc;
            return SQL_RAISE(e, 33029, 2, sql_code_text(e, code), sql_code_meaning(code));
        }
        bool usable = false;
        if (!check_algorithm(e, &a, &usable)) {
            return false;
        }
        if (usable) {
            *tail = sql_alloc(sizeof a);
            **tail = a;
            tail = &(*tail)->next;
        }
    }
    return SQL_RAISE(e, 33025, 5, "algorithm list");
}

static bool initialise(sql_engine *e, sql_provider *p)
{
    SqlCpError rc = SQL_CP_BROKEN;
    SQL_CP_CALL(rc, p, SqlCryptInitializeProvider, ());
    if (rc != scp_err_Success) {
        return SQL_RAISE(e, 33029, 1, sql_code_text(e, rc), sql_code_meaning(rc));
    }
    rc = sql_cp_get_info(p);
    bool ok = true;
    if (rc == SQL_CP_BROKEN) {
        ok = SQL_RAISE(e, 33029, 1, "0", sql_code_meaning(0));
    } else if (rc != scp_err_Success) {
        ok = SQL_RAISE(e, 33022, 1, sql_code_text(e, rc));
    }
    ok = ok && check_info(e, p) && list_algorithms(e, p);
    if (!ok) {
        SQL_CP_CALL(rc, p, SqlCryptFreeProvider, ());
    }
    return ok;
}

bool sql_provider_load(sql_engine *e, sql_provider *p)
{
    char why[512] = "";
    sql_errorlog(e, "Attempting to load library '%s' into memory.", p->path);
    p->trace = e->trace;
    p->lib = host_lib_open(p->path, why, sizeof why);
    if (p->lib == NULL) {
        sql_errorlog(e, "%s", why);
        fprintf(stderr, "ekmsql: %s\n", why);
        return SQL_RAISE(e, 33027, 1, p->path);
    }
    if (!resolve(e, p) || !initialise(e, p)) {
        host_lib_close(p->lib);
        p->lib = NULL;
        return false;
    }
    sql_errorlog(e, "Cryptographic provider library '%s' loaded into memory.", p->path);
    return true;
}

static void unload(sql_provider *p)
{
    if (p->lib != NULL) {
        SqlCpError rc;
        SQL_CP_CALL(rc, p, SqlCryptFreeProvider, ());
        (void)rc;
        host_lib_close(p->lib);
        p->lib = NULL;
    }
}

void sql_provider_free(sql_provider *p)
{
    if (p == NULL) {
        return;
    }
    unload(p);
    for (sql_algorithm *a = p->algorithms; a != NULL;) {
        sql_algorithm *next = a->next;
        free(a);
        a = next;
    }
    free(p->name);
    free(p->path);
    free(p->friendly_name);
    free(p);
}

bool sql_ekm_enabled(sql_engine *e)
{
    return sql_store_int(e->master, 0,
                         "SELECT in_use FROM options WHERE name='EKM provider enabled'", "") == 1;
}

/* Refuses the library if its GUID or version is not the registered one. */
static bool check_catalogue(sql_engine *e, const sql_provider *p, const sql_buf *guid,
                            const char *version)
{
    if (guid->len != sizeof p->info.guid || memcmp(guid->p, &p->info.guid, guid->len) != 0) {
        sql_buf text = {0};
        sql_guid_add(&text, (const uint8_t *)&p->info.guid);
        SQL_RAISE(e, 33024, 1, "guid", sql_buf_text(&text),
                  sql_format(e, "%lld", (long long)p->id));
        sql_buf_free(&text);
        return false;
    }
    return strcmp(version, sql_version(e, &p->info.version)) == 0 ||
           SQL_RAISE(e, 33025, 6, "version");
}

static sql_provider *load_registered(sql_engine *e, sqlite3_stmt *row)
{
    sql_provider *p = sql_alloc(sizeof *p);
    sql_buf guid = {0};
    p->id = sqlite3_column_int64(row, 0);
    p->name = sql_strdup(sql_store_text(row, 1));
    p->path = sql_strdup(sql_store_text(row, 4));
    sql_store_blob(row, 2, &guid);
    bool ok = sql_provider_load(e, p) && check_catalogue(e, p, &guid, sql_store_text(row, 3));
    sql_buf_free(&guid);
    if (!ok) {
        sql_provider_free(p);
        return NULL;
    }
    p->next = e->providers;
    e->providers = p;
    return p;
}

static sql_provider *get_row(sql_engine *e, sqlite3_stmt *row)
{
    if (!sql_ekm_enabled(e)) {
        SQL_RAISE(e, 33053, 1, NULL);
        return NULL;
    }
    if (sqlite3_column_int(row, 5) == 0) {
        SQL_RAISE(e, 33031, 1, sql_store_text(row, 1));
        return NULL;
    }
    for (sql_provider *p = e->providers; p != NULL; p = p->next) {
        if (p->id == sqlite3_column_int64(row, 0)) {
            return p;
        }
    }
    return load_registered(e, row);
}

#define PROVIDER_COLUMNS "SELECT id, name, guid, version, path, enabled FROM providers "

sql_provider *sql_provider_get(sql_engine *e, const char *name)
{
    sql_provider *p = NULL;
    sqlite3_stmt *row = sql_store_query(e->master, PROVIDER_COLUMNS "WHERE name=?", "t", name);
    if (sqlite3_step(row) == SQLITE_ROW) {
        p = get_row(e, row);
    } else {
        SQL_RAISE(e, 15151, 1, "cryptographic provider", name);
    }
    sqlite3_finalize(row);
    return p;
}

sql_provider *sql_provider_by_guid(sql_engine *e, const sql_buf *guid)
{
    sql_provider *p = NULL;
    sqlite3_stmt *row =
        sql_store_query(e->master, PROVIDER_COLUMNS "WHERE guid=?", "b", guid->p, guid->len);
    if (sqlite3_step(row) == SQLITE_ROW) {
        p = get_row(e, row);
    } else {
        sql_buf text = {0};
        sql_guid_add(&text, guid->p);
        SQL_RAISE(e, 33082, 1, sql_buf_text(&text));
        sql_buf_free(&text);
    }
    sqlite3_finalize(row);
    return p;
}

void sql_provider_close(sql_engine *e, int64_t id)
{
    sql_sessions_close(e, id, 0);
    for (sql_provider **at = &e->providers; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id) {
            sql_provider *p = *at;
            *at = p->next;
            sql_provider_free(p);
            return;
        }
    }
}

const sql_algorithm *sql_algorithm_by_id(const sql_provider *p, SqlCpAlgId id)
{
    const sql_algorithm *a = p->algorithms;
    while (a != NULL && a->id != id) {
        a = a->next;
    }
    return a;
}

const sql_algorithm *sql_algorithm_by_tag(const sql_provider *p, const char *tag)
{
    const sql_algorithm *a = p->algorithms;
    while (a != NULL && !sql_same(a->tag, tag)) {
        a = a->next;
    }
    return a;
}
