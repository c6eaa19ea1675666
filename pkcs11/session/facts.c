/* SPDX-License-Identifier: Apache-2.0
 *
 * Cached facts about a key on a token (enum tok_fact). Each key has one atomic word for each group
 * member: the low FACT_BITS bits are the facts, the bits above are the handle generation in which
 * they were found. A login or a re-initialization starts a new generation and so discards all
 * facts. All functions are lock-free and may be called from any thread.
 */
#include "pkcs11/session/key_private.h"

enum { FACT_BITS = 16, FACT_MASK = (1 << FACT_BITS) - 1 };

static unsigned facts_of(const tok_key_handles *handles, uint64_t handle_generation)
{
    const uint64_t word = atomic_load(&handles->facts);
    return word >> FACT_BITS == handle_generation ? (unsigned)(word & FACT_MASK) : 0;
}

unsigned tok_facts(const tok_session *session, const tok_key *key)
{
    return facts_of(&key->handles[session->member_index], session->handle_generation);
}

unsigned tok_facts_at(const tok_key *key, const tok_token *token, unsigned member_index)
{
    return facts_of(&key->handles[member_index], tok_token_handle_generation(token));
}

void tok_facts_add(tok_key *key, unsigned member_index, uint64_t handle_generation, unsigned facts)
{
    _Atomic uint64_t *word = &key->handles[member_index].facts;
    uint64_t seen = atomic_load(word);
    uint64_t next;

    do {
        const uint64_t known = seen >> FACT_BITS == handle_generation ? seen & FACT_MASK : 0;
        if (seen >> FACT_BITS > handle_generation || (known & facts) == facts)
            return; /* the facts are of an earlier generation, or are known already */
        next = handle_generation << FACT_BITS | known | facts;
    } while (!atomic_compare_exchange_weak(word, &seen, next));
}

void tok_facts_inherit(tok_key *key, const tok_key *old)
{
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const uint64_t word = atomic_load(&old->handles[i].facts),
                       handle_generation = word >> FACT_BITS;
        if (handle_generation != 0 &&
            atomic_load(&old->handles[i].handle_generation) == handle_generation &&
            atomic_load(&key->handles[i].handle_generation) == handle_generation &&
            atomic_load(&old->handles[i].handle) == atomic_load(&key->handles[i].handle))
            tok_facts_add(key, i, handle_generation, (unsigned)(word & FACT_MASK));
    }
}
