/* SPDX-License-Identifier: Apache-2.0
 *
 * See wycheproof.h.
 */
#include "wycheproof.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "core/text.h"

static bool take_bytes(const json_t *object, const char *name, wy_bytes *out)
{
    const char *hex = json_string_value(json_object_get(object, name));
    const char *digits = hex ? hex : "";

    out->length = sizeof out->bytes;
    if (core_unhex(digits, out->bytes, &out->length) != ST_OK) {
        out->length = 0;
        return hex && !*hex;
    }
    /* Numbers have a leading zero byte if their first bit is set. */
    return hex != NULL;
}

static void strip_zeros(wy_bytes *number)
{
    while (number->length > 1 && number->bytes[0] == 0)
        memmove(number->bytes, number->bytes + 1, --number->length);
}

static bool take_group(const json_t *json, wy_group *group)
{
    static const char *const names[WY_PARTS] = {"modulus",   "publicExponent", "privateExponent",
                                                "prime1",    "prime2",         "exponent1",
                                                "exponent2", "coefficient"};
    const json_t *key = json_object_get(json, "privateKey");

    for (size_t i = 0; i < WY_PARTS; i++) {
        if (!take_bytes(key, names[i], &group->parts[i]))
            return false;
        strip_zeros(&group->parts[i]);
    }
    group->sha = json_string_value(json_object_get(json, "sha"));
    group->mgf_sha = json_string_value(json_object_get(json, "mgfSha"));
    return true;
}

static bool take_test(const json_t *json, wy_test *test)
{
    test->id = (int)json_integer_value(json_object_get(json, "tcId"));
    test->result = json_string_value(json_object_get(json, "result"));
    test->comment = json_string_value(json_object_get(json, "comment"));
    if (!take_bytes(json, "label", &test->label))
        test->label.length = 0;
    return test->result && take_bytes(json, "msg", &test->message) &&
           take_bytes(json, "ct", &test->ciphertext);
}

static bool read_group(const json_t *json, wy_group *group, const wy_reader *reader)
{
    static wy_test test;
    const json_t *one;
    size_t i;

    if (!take_group(json, group))
        return false;
    if (!reader->on_group(reader->context, group))
        return true;
    json_array_foreach(json_object_get(json, "tests"), i, one)
    {
        if (!take_test(one, &test)) {
            fprintf(stderr, "%s: test %d cannot be read\n", group->file, test.id);
            return false;
        }
        reader->on_test(reader->context, group, &test);
    }
    reader->on_end(reader->context);
    return true;
}

bool wy_read(const char *directory, const char *file, const wy_reader *reader)
{
    static wy_group group;
    char path[1024];
    json_error_t error;
    json_t *root, *one;
    bool good;
    size_t i;

    (void)snprintf(path, sizeof path, "%s/%s", directory, file);
    root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(stderr, "%s: %s\n", path, error.text);
        return false;
    }
    good = json_array_size(json_object_get(root, "testGroups")) > 0;
    json_array_foreach(json_object_get(root, "testGroups"), i, one)
    {
        memset(&group, 0, sizeof group);
        group.file = file;
        group.oaep = strstr(file, "oaep") != NULL;
        good = good && read_group(one, &group, reader);
    }
    json_decref(root);
    return good;
}
