/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory and text for ekmsql: zeroed allocation, an arena that lives as long as a batch, a growing
 * buffer, UTF-8 to UTF-16LE and back, hexadecimal digits and GUIDs. Everything is wiped before it
 * is freed, because any of it may have held a key, a PIN or a user's value.
 */
#ifndef EKMSQL_BASE_TEXT_H
#define EKMSQL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The build defines another one if the compiler takes "printf" for the Microsoft variant. */
#ifndef SQL_PRINTF_DIALECT
#define SQL_PRINTF_DIALECT printf
#endif
#define SQL_PRINTF(f, a) __attribute__((format(SQL_PRINTF_DIALECT, f, a)))

/* ekmsql is a command: if there is no memory it prints an error and exits, so these functions
 * never return NULL. */
#define SQL_NEVER_NULL __attribute__((returns_nonnull))
void *sql_alloc(size_t size) SQL_NEVER_NULL;
char *sql_strdup(const char *text) SQL_NEVER_NULL;

typedef struct sql_arena sql_arena;
sql_arena *sql_arena_new(void);
void *sql_arena_alloc(sql_arena *arena, size_t size) SQL_NEVER_NULL;
void *sql_arena_copy(sql_arena *arena, const void *data, size_t len) SQL_NEVER_NULL;
char *sql_arena_text(sql_arena *arena, const char *text, size_t len) SQL_NEVER_NULL;
void sql_arena_free(sql_arena *arena);

typedef struct sql_buf {
    uint8_t *p;
    size_t len;
    size_t cap;
} sql_buf;
void sql_buf_add(sql_buf *buf, const void *data, size_t len);
void sql_buf_puts(sql_buf *buf, const char *text);
void sql_buf_printf(sql_buf *buf, const char *format, ...) SQL_PRINTF(2, 3);
/* The content as a C string; valid until the buffer changes. */
const char *sql_buf_text(sql_buf *buf);
void sql_buf_set(sql_buf *buf, const void *data, size_t len);
void sql_buf_free(sql_buf *buf);

void sql_utf16_from_utf8(sql_buf *out, const char *text, size_t len);
void sql_utf8_from_utf16(sql_buf *out, const uint8_t *utf16le, size_t len);

void sql_hex_add(sql_buf *out, const uint8_t *data, size_t len);
/* False if the text is not an even number of hexadecimal digits. */
bool sql_hex_parse(sql_buf *out, const char *text, size_t len);
/* SQL Server's text of a GUID in its 16-byte memory layout. */
void sql_guid_add(sql_buf *out, const uint8_t guid[16]);

/* T-SQL names compare without regard to case (ASCII letters). */
bool sql_same(const char *a, const char *b);

#endif
