/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a PIN comes from: a file that only its owner can read, an open file descriptor, or a person
 * at the terminal. Never the command line and never the environment, which others can see.
 */
#include "tools/p11ekm/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

#include "core/platform.h"
#include "pkcs11/token.h"

core_status cli_read_descriptor(cli_call *call, const char *option, core_secret *pin, core_err *err)
{
    const char *number = cli_value(call, option);
    char *end = NULL;
    long fd = strtol(number, &end, 10);
    if (number[0] == '\0' || *end != '\0' || fd < 0 || fd > INT_MAX) {
        call->usage = true;
        return core_fail(err, ST_INVALID_ARGUMENT, "%s takes the number of an open file descriptor",
                         option);
    }
    core_status st = core_secret_open(pin, CLI_MAX_PIN);
    while (st == ST_OK && pin->length < pin->capacity) {
        /* Windows counts in unsigned. */
        unsigned room = (unsigned)(pin->capacity - pin->length);
        ssize_t got = read((int)fd, pin->data + pin->length, room);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return core_fail(err, ST_PIN_SOURCE,
                             "file descriptor %ld: cannot be read; open it for reading, as in "
                             "%s 3 3<FILE",
                             fd, option);
        }
        if (got == 0) {
            break;
        }
        pin->length += (size_t)got;
    }
    return st;
}

/* OpenSSL's own prompt: it knows the terminals of all systems, hides what is typed and restores the
 * terminal when interrupted. */
static core_status ask(core_secret *pin, core_err *err)
{
    if (!isatty(STDIN_FILENO)) {
        return core_fail(err, ST_PIN_SOURCE,
                         "no PIN: there is no terminal to ask at; give --pin-file or --pin-fd, or "
                         "name pin_file in the configuration");
    }
    core_status st = core_secret_open(pin, CLI_MAX_PIN);
    if (st != ST_OK) {
        return st;
    }
    if (EVP_read_pw_string((char *)pin->data, CLI_MAX_PIN, "PIN of the token: ", 0) != 0) {
        return core_fail(err, ST_PIN_SOURCE, "no PIN was typed");
    }
    pin->length = strlen((const char *)pin->data);
    return ST_OK;
}

bool cli_pin_configured(const core_token_config *config)
{
    bool all = config->member_count > 0;
    for (unsigned i = 0; i < config->member_count; i++) {
        all = all && config->member[i]->pin_file != NULL;
    }
    return config->pin_file != NULL || all;
}

core_status cli_pin_read(cli_call *call, const core_token_config *config, core_secret *pin,
                         bool *given, core_err *err)
{
    const char *file = cli_value(call, "--pin-file");
    const char *descriptor = cli_value(call, "--pin-fd");
    core_status st = ST_OK;
    *given = true;
    if (file != NULL && descriptor != NULL) {
        return cli_usage(call, err, "--pin-file and --pin-fd exclude each other");
    }
    if (file != NULL) {
        char *path = core_path_real(file);
        st = core_file_read(path == NULL ? file : path, CORE_FILE_SECRET, CLI_MAX_PIN, pin, err);
        core_free(path);
    } else if (descriptor != NULL) {
        st = cli_read_descriptor(call, "--pin-fd", pin, err);
    } else if (cli_pin_configured(config)) {
        *given = false;
        return ST_OK;
    } else {
        st = ask(pin, err);
    }
    return st == ST_OK ? tok_pin_cut(pin, file != NULL ? file : "the PIN given", err) : st;
}
