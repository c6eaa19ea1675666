/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory and text: see text.h.
 */
#include "tools/ekmsql/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define BLOCK_SIZE ((size_t)16 * 1024)

typedef struct block {
    struct block *next;
    size_t size;
    size_t used;
} block;

struct sql_arena {
    block *blocks;
};

void *sql_alloc(size_t size)
{
    void *p = calloc(1, size == 0 ? 1 : size);
    if (p == NULL) {
        fputs("ekmsql: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

char *sql_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(sql_alloc(size), text, size);
}

sql_arena *sql_arena_new(void)
{
    return sql_alloc(sizeof(sql_arena));
}

void *sql_arena_alloc(sql_arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    block *b = arena->blocks;
    if (b == NULL || b->size - b->used < size) {
        size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        b = sql_alloc(sizeof(block) + 16 + capacity);
        b->size = capacity;
        b->next = arena->blocks;
        arena->blocks = b;
    }
    uint8_t *base = (uint8_t *)b + ((sizeof(block) + 15) & ~(size_t)15);
    void *p = base + b->used;
    b->used += size;
    return p;
}

void *sql_arena_copy(sql_arena *arena, const void *data, size_t len)
{
    void *p = sql_arena_alloc(arena, len + 1);
    if (len > 0) {
        memcpy(p, data, len);
    }
    return p;
}

char *sql_arena_text(sql_arena *arena, const char *text, size_t len)
{
    return sql_arena_copy(arena, text, len);
}

void sql_arena_free(sql_arena *arena)
{
    if (arena == NULL) {
        return;
    }
    for (block *b = arena->blocks; b != NULL;) {
        block *next = b->next;
        OPENSSL_cleanse(b, sizeof(block) + 16 + b->size);
        free(b);
        b = next;
    }
    free(arena);
}

static void buf_room(sql_buf *buf, size_t more)
{
    if (buf->cap - buf->len > more) {
        return;
    }
    size_t cap = buf->cap * 2 + more + 64;
    uint8_t *p = sql_alloc(cap);
    if (buf->len > 0) {
        memcpy(p, buf->p, buf->len);
    }
    if (buf->p != NULL) {
        OPENSSL_cleanse(buf->p, buf->cap);
        free(buf->p);
    }
    buf->p = p;
    buf->cap = cap;
}

void sql_buf_add(sql_buf *buf, const void *data, size_t len)
{
    buf_room(buf, len);
    if (len > 0) {
        memcpy(buf->p + buf->len, data, len);
    }
    buf->len += len;
}

void sql_buf_puts(sql_buf *buf, const char *text)
{
    sql_buf_add(buf, text, strlen(text));
}

void sql_buf_printf(sql_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0) {
        buf_room(buf, (size_t)n + 1);
        vsnprintf((char *)buf->p + buf->len, (size_t)n + 1, format, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

const char *sql_buf_text(sql_buf *buf)
{
    buf_room(buf, 1);
    buf->p[buf->len] = 0;
    return (const char *)buf->p;
}

void sql_buf_set(sql_buf *buf, const void *data, size_t len)
{
    buf->len = 0;
    sql_buf_add(buf, data, len);
}

void sql_buf_free(sql_buf *buf)
{
    if (buf->p != NULL) {
        OPENSSL_cleanse(buf->p, buf->cap);
        free(buf->p);
    }
    *buf = (sql_buf){0};
}

/* Decodes one code point; ill-formed input gives U+FFFD and consumes one byte. */
static uint32_t utf8_next(const uint8_t *p, size_t len, size_t *used)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
        size_t more;
    } forms[] = {{0x80, 0x00, 0, 0},
                 {0xe0, 0xc0, 0x80, 1},
                 {0xf0, 0xe0, 0x800, 2},
                 {0xf8, 0xf0, 0x10000, 3}};
    *used = 1;
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        if ((p[0] & forms[f].mask) != forms[f].lead || forms[f].more >= len) {
            continue;
        }
        uint32_t c = p[0] & (uint8_t)~forms[f].mask;
        for (size_t i = 1; i <= forms[f].more; i++) {
            if ((p[i] & 0xc0) != 0x80) {
                return 0xfffd;
            }
            c = c << 6 | (p[i] & 0x3f);
        }
        if (c < forms[f].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
            return 0xfffd;
        }
        *used = forms[f].more + 1;
        return c;
    }
    return 0xfffd;
}

static void utf16_put(sql_buf *out, uint32_t unit)
{
    uint8_t le[2] = {(uint8_t)unit, (uint8_t)(unit >> 8)};
    sql_buf_add(out, le, 2);
}

void sql_utf16_from_utf8(sql_buf *out, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t used = 0; len > 0; p += used, len -= used) {
        uint32_t c = utf8_next(p, len, &used);
        if (c >= 0x10000) {
            utf16_put(out, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        utf16_put(out, c);
    }
}

static void utf8_put(sql_buf *out, uint32_t c)
{
    uint8_t u[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) {
        u[i] = (uint8_t)(0x80 | (c & 0x3f));
    }
    u[0] = (uint8_t)(lead[n] | c);
    sql_buf_add(out, u, n);
}

void sql_utf8_from_utf16(sql_buf *out, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        uint32_t c = (uint32_t)(p[i] | p[i + 1] << 8);
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < len && (p[i + 3] & 0xfc) == 0xdc) {
            uint32_t low = (uint32_t)(p[i + 2] | p[i + 3] << 8);
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        } else if (c >= 0xd800 && c < 0xe000) {
            c = 0xfffd;
        }
        utf8_put(out, c);
    }
}

void sql_hex_add(sql_buf *out, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        char two[2] = {digits[data[i] >> 4], digits[data[i] & 15]};
        sql_buf_add(out, two, 2);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sql_hex_parse(sql_buf *out, const char *text, size_t len)
{
    if (len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        sql_buf_add(out, &byte, 1);
    }
    return true;
}

void sql_guid_add(sql_buf *out, const uint8_t g[16])
{
    sql_buf_printf(out, "%02X%02X%02X%02X-%02X%02X-%02X%02X-", g[3], g[2], g[1], g[0], g[5], g[4],
                   g[7], g[6]);
    sql_hex_add(out, g + 8, 2);
    sql_buf_puts(out, "-");
    sql_hex_add(out, g + 10, 6);
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool sql_same(const char *a, const char *b)
{
    while (*a != 0 && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}
