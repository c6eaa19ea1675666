/* SPDX-License-Identifier: Apache-2.0
 *
 * The sources of a PIN: a file that only its owner can read, an open file descriptor, or a person
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

/* One byte more than the longest value, to detect a longer one, and a terminator. */
enum { INPUT_SIZE = CLI_MAX_PIN + 2 };

/* Reads up to CLI_MAX_PIN + 1 bytes; false if reading fails. */
static bool read_descriptor(int fd, core_secret *out)
{
    while (out->length <= CLI_MAX_PIN) {
        /* The count is unsigned int on Windows. */
        const unsigned free_bytes = (unsigned)(CLI_MAX_PIN + 1 - out->length);
        const ssize_t got = read(fd, out->data + out->length, free_bytes);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            out->length += (size_t)got;
        } else if (errno != EINTR) {
            return false;
        }
    }
    out->data[out->length] = 0;
    return true;
}

static core_status too_long(const char *what, core_err *err)
{
    return core_fail(err, ST_FORMAT, "%s: longer than %d bytes; check what it holds", what,
                     CLI_MAX_PIN);
}

core_status cli_read_descriptor(cli_call *call, const char *option, core_secret *out, core_err *err)
{
    const char *number = cli_value(call, option);
    char *end = NULL;
    errno = 0;
    const long fd = strtol(number, &end, 10);
    if (number[0] == '\0' || *end != '\0' || fd < 0 || fd > INT_MAX || errno != 0) {
        call->usage = true;
        return core_fail(err, ST_INVALID_ARGUMENT,
                         "%s takes the number of an open file descriptor; see p11ekm --help",
                         option);
    }
    core_status st = core_secret_open(out, INPUT_SIZE);
    if (st != ST_OK) {
        return st;
    }
    if (!read_descriptor((int)fd, out)) {
        return core_fail(err, strcmp(option, "--pin-fd") == 0 ? ST_PIN_SOURCE : ST_IO,
                         "file descriptor %ld: cannot be read; open it for reading, as in "
                         "%s 3 3<FILE",
                         fd, option);
    }
    return out->length <= CLI_MAX_PIN ? ST_OK : too_long(option, err);
}

/* Uses the prompt of OpenSSL: it handles the terminals of all systems, hides the input and
 * restores the terminal when interrupted. It writes a terminator after the length that it is
 * given. A PIN that is to be stored is typed twice, because a typing error in it would use up
 * PIN tries of the token. */
static core_status ask(core_secret *pin, bool twice, core_err *err)
{
    if (!isatty(STDIN_FILENO)) {
        return core_fail(err, ST_PIN_SOURCE,
                         "no PIN: there is no terminal to ask at; give --pin-file or --pin-fd, or "
                         "name pin_file in the configuration");
    }
    core_status st = core_secret_open(pin, INPUT_SIZE);
    if (st != ST_OK) {
        return st;
    }
    if (EVP_read_pw_string((char *)pin->data, CLI_MAX_PIN + 1, "PIN of the token: ", twice) != 0) {
        return core_fail(err, ST_PIN_SOURCE,
                         "no PIN of 1 to %d bytes was typed%s; try again, or give --pin-file",
                         CLI_MAX_PIN, twice ? ", or not twice the same" : "");
    }
    pin->length = strnlen((const char *)pin->data, CLI_MAX_PIN + 1);
    return pin->length <= CLI_MAX_PIN ? ST_OK : too_long("the PIN typed", err);
}

bool cli_pin_configured(const core_token_config *config)
{
    bool all = config->member_count > 0;
    for (unsigned i = 0; i < config->member_count; i++) {
        all = all && config->member[i]->pin_file != NULL;
    }
    return config->pin_file != NULL || all;
}

static core_status read_pin(cli_call *call, const core_token_config *config, bool twice,
                            core_secret *pin, bool *given, core_err *err)
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
        st = ask(pin, twice, err);
    }
    return st == ST_OK ? tok_pin_cut(pin, file != NULL ? file : "the PIN given", err) : st;
}

core_status cli_pin_read(cli_call *call, const core_token_config *config, core_secret *pin,
                         bool *given, core_err *err)
{
    return read_pin(call, config, false, pin, given, err);
}

core_status cli_pin_read_new(cli_call *call, core_secret *pin, core_err *err)
{
    static const core_token_config no_configuration;
    bool given = false;
    return read_pin(call, &no_configuration, true, pin, &given, err);
}
