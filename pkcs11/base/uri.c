/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses and formats PKCS#11 URIs (RFC 7512). One table lists every attribute with its component
 * (path or query) and the syntax of its value; the parser reads the text once, attribute by
 * attribute. Because a URI selects a key here, the parser is stricter than the RFC in four points:
 * it refuses unknown (vendor) attributes instead of ignoring them, values that no token can have
 * (longer than the Cryptoki field, not UTF-8, with U+0000 inside), version numbers above 255, and
 * slot ids above 2^63 - 1.
 */
#include <string.h>
#include "core/memory.h"
#include "pkcs11/uri.h"

typedef enum uri_part { IN_PATH, IN_QUERY } uri_part;
typedef enum uri_kind { IS_TEXT, IS_BYTES, IS_TYPE, IS_NUMBER, IS_VERSION, IS_PIN } uri_kind;

/* The limit for values whose field has no fixed size in Cryptoki; longer ones are refused. */
enum { URI_VALUE_MAX = 4096 };

typedef struct uri_attribute {
    const char *name;
    uri_part part;
    uri_kind kind;
    size_t max; /* decoded bytes */
    size_t offset;
} uri_attribute;

#define AT(member) offsetof(tok_uri, member)
/* The first CANONICAL_COUNT rows are in the order in which tok_uri_format writes them. */
static const uri_attribute attributes[] = {
    {"token", IN_PATH, IS_TEXT, 32, AT(token)},
    {"manufacturer", IN_PATH, IS_TEXT, 32, AT(manufacturer)},
    {"serial", IN_PATH, IS_TEXT, 16, AT(serial)},
    {"model", IN_PATH, IS_TEXT, 16, AT(model)},
    {"object", IN_PATH, IS_TEXT, URI_VALUE_MAX, AT(object)},
    {"id", IN_PATH, IS_BYTES, URI_VALUE_MAX, AT(id)},
    {"type", IN_PATH, IS_TYPE, 16, AT(type)},
    {"library-description", IN_PATH, IS_TEXT, 32, AT(library_description)},
    {"library-manufacturer", IN_PATH, IS_TEXT, 32, AT(library_manufacturer)},
    {"library-version", IN_PATH, IS_VERSION, 7, AT(library_version)},
    {"slot-description", IN_PATH, IS_TEXT, 64, AT(slot_description)},
    {"slot-manufacturer", IN_PATH, IS_TEXT, 32, AT(slot_manufacturer)},
    {"slot-id", IN_PATH, IS_NUMBER, 19, AT(slot_id)},
    {"module-path", IN_QUERY, IS_TEXT, URI_VALUE_MAX, AT(module_path)},
    {"module-name", IN_QUERY, IS_TEXT, URI_VALUE_MAX, AT(module_name)},
    {"pin-source", IN_QUERY, IS_TEXT, URI_VALUE_MAX, AT(pin_source)},
    {"pin-value", IN_QUERY, IS_PIN, 0, 0},
};
#undef AT
enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof attributes[0], CANONICAL_COUNT = 7 };

static const char *const types[] = {"public", "private", "cert", "secret-key", "data"};

/* One attribute of the text: [start, equals) is its name, (equals, end) its value, still encoded.
 */
typedef struct uri_piece {
    const char *text; /* the whole URI, to report positions in it */
    const char *start, *equals, *end;
    uri_part part;
} uri_piece;

static core_status piece_fail(core_err *err, const uri_piece *piece, const char *why)
{
    const char *stop = piece->equals ? piece->equals : piece->end;
    size_t length = (size_t)(stop - piece->start);

    /* Show the name up to its first character that is not a letter, '-' or '_'. Never show the
     * value: it may be a PIN. */
    for (size_t i = 0; i < length; i++) {
        char c = piece->start[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'))
            length = i;
    }
    return core_fail(err, ST_FORMAT, "PKCS#11 URI, attribute \"%.*s\" at character %u: %s",
                     length > 32 ? 32 : (int)length, piece->start,
                     (unsigned)(piece->start - piece->text) + 1, why);
}

/* The member of `uri` that belongs to the row. All such members are pointers to bytes; memcpy
 * avoids a cast between pointer types. */
static char *get(const tok_uri *uri, const uri_attribute *attribute)
{
    char *value;

    memcpy(&value, (const char *)uri + attribute->offset, sizeof value);
    return value;
}

static void set(tok_uri *uri, const uri_attribute *attribute, char *value)
{
    memcpy((char *)uri + attribute->offset, &value, sizeof value);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

/* True for pk11-pchar or pk11-qchar (RFC 7512, section 2.3), except '%'. */
static bool is_allowed(char c, uri_part part)
{
    return is_unreserved(c) ||
           (c && strchr(part == IN_PATH ? ":[]@!$'()*+,=&" : ":[]@!$'()*+,=/?|", c));
}

/* Decodes the value into a new buffer that ends with a NUL. On success the caller frees *out;
 * *out_len is the length without the NUL. */
static core_status decode(const uri_piece *piece, const uri_attribute *attribute, char **out,
                          size_t *out_len, core_err *err)
{
    bool encodable = attribute->kind == IS_TEXT || attribute->kind == IS_BYTES;
    const char *why = NULL;
    size_t n = 0;
    char *value = core_calloc((size_t)(piece->end - piece->equals), 1);

    if (!value)
        return core_fail(err, ST_NO_MEMORY, "PKCS#11 URI: out of memory");
    for (const char *p = piece->equals + 1; p < piece->end && !why; p++) {
        if (*p == '%' && encodable) {
            int high = piece->end - p > 2 ? hex_digit(p[1]) : -1;
            int low = high < 0 ? -1 : hex_digit(p[2]);

            if (low < 0)
                why = "'%' without two hex digits; write % itself as %25";
            else
                value[n++] = (char)(unsigned char)(high << 4 | low);
            p += 2;
        } else if (is_allowed(*p, piece->part)) {
            value[n++] = *p;
        } else {
            why = encodable
                      ? "a character that must be percent-encoded (a blank is %20, a slash %2F)"
                      : "this value is never percent-encoded";
        }
    }
    if (!why && n > attribute->max)
        why = "the value is longer than any token's";
    if (why) {
        core_free(value);
        return piece_fail(err, piece, why);
    }
    *out = value;
    *out_len = n;
    return ST_OK;
}

/* Skips a decimal number of at most `max`. Returns the first character after it, or NULL if there
 * is no digit or the number is too large. */
static const char *digits(const char *text, uint64_t max)
{
    uint64_t n = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (n > (max - digit) / 10)
            return NULL;
        n = n * 10 + digit;
    }
    return p == text ? NULL : p;
}

static const char *check_number(const char *value)
{
    const char *end = digits(value, INT64_MAX);
    return end && !*end ? NULL : "not a decimal number";
}

static const char *check_version(const char *value)
{
    const char *end = digits(value, 255);
    if (end && *end == '.')
        end = digits(end + 1, 255);
    return end && !*end ? NULL : "not a version: major or major.minor, each at most 255";
}

static const char *check_type(const char *value)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(value, types[i]) == 0)
            return NULL;
    return "not one of public, private, cert, secret-key, data";
}

/* Checks a decoded value. Returns the reason why it is invalid, or NULL if it is valid. */
static const char *check_value(uri_kind kind, const char *value, size_t length)
{
    if (kind == IS_BYTES)
        return NULL;
    if (!core_utf8_valid(value, length))
        return "not UTF-8 text";
    if (kind == IS_NUMBER)
        return check_number(value);
    if (kind == IS_VERSION)
        return check_version(value);
    if (kind == IS_TYPE)
        return check_type(value);
    return NULL;
}

static const uri_attribute *find_attribute(const uri_piece *piece)
{
    size_t length = (size_t)(piece->equals - piece->start);

    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++)
        if (strlen(attributes[i].name) == length &&
            memcmp(attributes[i].name, piece->start, length) == 0)
            return &attributes[i];
    return NULL;
}

static core_status take_piece(const uri_piece *piece, tok_uri *uri, core_err *err)
{
    const uri_attribute *attribute;
    const char *why;
    char *value = NULL;
    size_t length = 0;
    core_status st;

    if (!piece->equals)
        return piece_fail(err, piece, "no '='; write name=value");
    attribute = find_attribute(piece);
    if (!attribute)
        return piece_fail(err, piece, "not an attribute of RFC 7512");
    if (attribute->part != piece->part)
        return piece_fail(err, piece,
                          attribute->part == IN_PATH ? "belongs before the '?'"
                                                     : "belongs after a '?'");
    if (attribute->kind == IS_PIN)
        return piece_fail(err, piece, "a URI is no place for a PIN; use pin_file or SECRET");
    if (get(uri, attribute))
        return piece_fail(err, piece, "given twice");

    st = decode(piece, attribute, &value, &length, err);
    if (st != ST_OK || !value)
        return st;
    why = check_value(attribute->kind, value, length);
    if (why) {
        core_free(value);
        return piece_fail(err, piece, why);
    }
    set(uri, attribute, value);
    if (attribute->kind == IS_BYTES) {
        uri->id_len = length;
        uri->has_id = true;
    }
    return ST_OK;
}

/* Parses the attributes in [p, end), which ';' (path) or '&' (query) separates. An empty component
 * is valid and has no attributes. */
static core_status parse_part(const char *text, const char *p, const char *end, uri_part part,
                              tok_uri *uri, core_err *err)
{
    char separator = part == IN_PATH ? ';' : '&';

    if (p == end)
        return ST_OK;
    for (;;) {
        const char *stop = memchr(p, separator, (size_t)(end - p));
        uri_piece piece = {text, p, NULL, stop ? stop : end, part};
        core_status st;

        piece.equals = memchr(p, '=', (size_t)(piece.end - p));
        st = take_piece(&piece, uri, err);
        if (st != ST_OK || !stop)
            return st;
        p = stop + 1;
    }
}

bool tok_uri_is(const char *text)
{
    return text && core_ascii_prefix_nocase(text, "pkcs11:");
}

core_status tok_uri_parse(const char *text, tok_uri *out, core_err *err)
{
    const char *path, *end, *query;
    core_status st;

    memset(out, 0, sizeof *out);
    if (!tok_uri_is(text))
        return core_fail(err, ST_FORMAT, "not a PKCS#11 URI: it does not begin with \"pkcs11:\"");
    path = text + strlen("pkcs11:");
    end = path + strlen(path);
    query = strchr(path, '?');
    st = parse_part(text, path, query ? query : end, IN_PATH, out, err);
    if (st == ST_OK && query)
        st = parse_part(text, query + 1, end, IN_QUERY, out, err);
    if (st != ST_OK)
        tok_uri_free(out);
    return st;
}

void tok_uri_free(tok_uri *uri)
{
    if (!uri)
        return;
    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++)
        if (attributes[i].kind != IS_PIN)
            core_free(get(uri, &attributes[i]));
    memset(uri, 0, sizeof *uri);
}

/* Percent-encodes every byte of an id, as RFC 7512 recommends, since an id is not text. In text,
 * unreserved characters are kept as they are. */
static void add_encoded(core_str *out, const char *value, size_t length, bool bytes)
{
    for (size_t i = 0; i < length; i++)
        if (!bytes && is_unreserved(value[i]))
            core_str_addn(out, &value[i], 1);
        else
            core_str_addf(out, "%%%02X", (unsigned char)value[i]);
}

void tok_uri_format(const tok_uri *uri, core_str *out)
{
    const char *separator = "";

    core_str_add(out, "pkcs11:");
    for (size_t i = 0; i < CANONICAL_COUNT; i++) {
        const uri_attribute *attribute = &attributes[i];
        const char *value = get(uri, attribute);
        bool bytes = attribute->kind == IS_BYTES;

        if (bytes ? !uri->has_id : !value)
            continue;
        core_str_addf(out, "%s%s=", separator, attribute->name);
        add_encoded(out, value, bytes ? uri->id_len : strlen(value), bytes);
        separator = ";";
    }
}
