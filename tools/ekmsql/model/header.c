/* SPDX-License-Identifier: Apache-2.0
 *
 * The header file of a database, whose lines are also part of backups: text, name=value on each
 * line.
 */
#include "tools/ekmsql/model/model.h"

#include "tools/ekmsql/base/host.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_LINE "ekmsql database header 1\n"

const char *sql_header_path(sql_engine *e, const char *name)
{
    return sql_format(e, "%s/%s.header", e->dir, name);
}

const char *sql_data_path(sql_engine *e, const char *name, int64_t generation)
{
    return sql_format(e, "%s/%s.%lld.mdf", e->dir, name, (long long)generation);
}

static void print_hex(sql_buf *out, const char *name, const sql_buf *value)
{
    sql_buf_printf(out, "%s=", name);
    sql_hex_add(out, value->p, value->len);
    sql_buf_puts(out, "\n");
}

void sql_header_print(sql_buf *out, const sql_dbheader *h)
{
    sql_buf_printf(out, FIRST_LINE "generation=%lld\nencrypted=%d\nalgorithm=%s\n",
                   (long long)h->generation, h->encrypted, h->algorithm);
    sql_buf_printf(out, "created=%lld\nregenerated=%lld\nset=%lld\n", (long long)h->created,
                   (long long)h->regenerated, (long long)h->set);
    print_hex(out, "wrapped", &h->wrapped);
    print_hex(out, "encryptor", &h->encryptor);
}

static const char *value_of(const char *text, const char *name, size_t *len)
{
    size_t n = strlen(name);
    for (const char *line = text; line != NULL && *line != 0;) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, name, n) == 0 && line[n] == '=') {
            line += n + 1;
            *len = end == NULL ? strlen(line) : (size_t)(end - line);
            return line;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return NULL;
}

static bool get_number(const char *text, const char *name, int64_t *out)
{
    size_t len = 0;
    const char *value = value_of(text, name, &len);
    *out = value == NULL ? 0 : strtoll(value, NULL, 10);
    return value != NULL;
}

static bool get_hex(const char *text, const char *name, sql_buf *out)
{
    size_t len = 0;
    const char *value = value_of(text, name, &len);
    out->len = 0;
    return value != NULL && sql_hex_parse(out, value, len);
}

bool sql_header_parse(const char *text, sql_dbheader *h)
{
    size_t len = 0;
    int64_t encrypted = 0;
    const char *algorithm = value_of(text, "algorithm", &len);
    bool ok =
        strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) == 0 && algorithm != NULL &&
        len < sizeof h->algorithm && get_number(text, "generation", &h->generation) &&
        get_number(text, "encrypted", &encrypted) && get_number(text, "created", &h->created) &&
        get_number(text, "regenerated", &h->regenerated) && get_number(text, "set", &h->set) &&
        get_hex(text, "wrapped", &h->wrapped) && get_hex(text, "encryptor", &h->encryptor);
    if (ok) {
        memset(h->algorithm, 0, sizeof h->algorithm);
        memcpy(h->algorithm, algorithm, len);
        h->encrypted = encrypted != 0;
    }
    return ok;
}

bool sql_header_write(sql_engine *e, const char *name, const sql_dbheader *h)
{
    sql_buf text = {0};
    sql_header_print(&text, h);
    bool ok = host_file_write(sql_header_path(e, name), text.p, text.len);
    sql_buf_free(&text);
    return ok || sql_error_text(e, "ekmsql cannot write the header of database '%s'", name);
}

void sql_header_copy(sql_dbheader *to, const sql_dbheader *from)
{
    *to = *from;
    to->wrapped = (sql_buf){0};
    to->encryptor = (sql_buf){0};
    sql_buf_add(&to->wrapped, from->wrapped.p, from->wrapped.len);
    sql_buf_add(&to->encryptor, from->encryptor.p, from->encryptor.len);
}

void sql_header_free(sql_dbheader *h)
{
    sql_buf_free(&h->wrapped);
    sql_buf_free(&h->encryptor);
}
