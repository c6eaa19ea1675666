/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections that are groups of tokens. Their members are other sections of the same file.
 */
#include "core/config_private.h"

#include <string.h>

typedef struct group_check {
    core_config *config;
    const config_text *text;
    size_t section;
    core_err *err;
} group_check;

static core_status refuse(const group_check *c, const char *key, const char *why)
{
    const config_entry *entry = config_text_find(c->text, c->section + 1, key);
    return core_fail(c->err, ST_CONFIG_INVALID, "%s:%u: %s: %s", c->text->file,
                     entry == NULL ? c->text->sections[c->section].line : entry->line, key, why);
}

/* One name of the list. */
static core_status add_member(const group_check *c, const char *name, size_t length)
{
    core_token_config *group = &c->config->tokens[c->section];
    char alias[CONFIG_MAX_ALIAS + 1] = "";

    if (length <= CONFIG_MAX_ALIAS)
        memcpy(alias, name, length);
    const core_token_config *member = core_config_token(c->config, alias);
    if (member == NULL || member->members != NULL)
        return refuse(c, "members",
                      "one of them is not the alias of a token in this file; name those that stand "
                      "in [token ALIAS]");
    for (unsigned i = 0; i < group->member_count; i++)
        if (group->member[i] == member)
            return refuse(c, "members", "one is named twice; name each once");
    if (group->member_count == CORE_GROUP_MOST)
        return refuse(c, "members", "more than 8; a group has at most so many");
    group->member[group->member_count++] = member;
    return ST_OK;
}

static core_status resolve(const group_check *c)
{
    static const char between[] = ", \t";
    const core_token_config *group = &c->config->tokens[c->section];
    core_status st = ST_OK;

    if (strlen(group->alias) > 32)
        return refuse(c, "members", "the alias of a group has at most 32 characters, as a label");
    if (group->token != NULL)
        return refuse(c, "members", "a section is either a token or a group; remove token");
    for (const char *at = group->members + strspn(group->members, between);
         st == ST_OK && *at != '\0';) {
        size_t length = strcspn(at, between);
        st = add_member(c, at, length);
        at += length;
        at += strspn(at, between);
    }
    if (st == ST_OK && group->member_count < 2)
        st = refuse(c, "members", "one alone is no group; name at least two, comma-separated");
    if (st == ST_OK && group->group_create == CORE_GROUP_SINGLE &&
        group->group_order != CORE_ORDER_PREFERENCE)
        st = refuse(c, "group_create",
                    "single makes a key on the first member only, so the others could not serve "
                    "their turn; set group_order = preference");
    return st;
}

core_status config_groups_resolve(core_config *config, const config_text *text, core_err *err)
{
    core_status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < config->token_count; i++) {
        const group_check c = {config, text, i, err};
        if (config->tokens[i].members != NULL)
            st = resolve(&c);
    }
    return st;
}
