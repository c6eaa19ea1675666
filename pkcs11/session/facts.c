/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of a key on a token: one word for each key and group member, with the generation it
 * was found in above the bits. A login or a re-initialisation starts a new generation, in which
 * nothing is known. All functions are lock-free and may be called from any thread.
 */
#include "pkcs11/session/key_private.h"

enum { FACT_BITS = 16, FACT_MASK = (1 << FACT_BITS) - 1 };

static unsigned facts_of(const tok_place *place, uint64_t age)
{
    const uint64_t word = atomic_load(&place->facts);
    return word >> FACT_BITS == age ? (unsigned)(word & FACT_MASK) : 0;
}

unsigned tok_facts(const tok_session *session, const tok_key *key)
{
    return facts_of(&key->at[session->place], session->age);
}

unsigned tok_facts_at(const tok_key *key, const tok_token *token, unsigned place)
{
    return facts_of(&key->at[place], tok_token_age(token));
}

void tok_facts_add(tok_key *key, unsigned place, uint64_t age, unsigned facts)
{
    _Atomic uint64_t *word = &key->at[place].facts;
    uint64_t seen = atomic_load(word);
    uint64_t next;

    do {
        const uint64_t known = seen >> FACT_BITS == age ? seen & FACT_MASK : 0;
        if (seen >> FACT_BITS > age || (known & facts) == facts)
            return; /* found too late, or known already */
        next = age << FACT_BITS | known | facts;
    } while (!atomic_compare_exchange_weak(word, &seen, next));
}

void tok_facts_inherit(tok_key *key, const tok_key *old)
{
    for (unsigned i = 0; i < CORE_GROUP_MOST; i++) {
        const uint64_t word = atomic_load(&old->at[i].facts), age = word >> FACT_BITS;
        if (age != 0 && atomic_load(&old->at[i].age) == age &&
            atomic_load(&key->at[i].age) == age &&
            atomic_load(&old->at[i].handle) == atomic_load(&key->at[i].handle))
            tok_facts_add(key, i, age, (unsigned)(word & FACT_MASK));
    }
}
