/* SPDX-License-Identifier: Apache-2.0
 *
 * C_Finalize, after the last context of a library is closed.
 */
#include "pkcs11/module/loader_private.h"
#include "pkcs11/module/module_private.h"

/* Call it after the last context is detached, with the lock of all contexts held: then no operation
 * is in the module, and no context can be opened until this returns. */
void tok_gate_finalize_unused(tok_gate *gate, const tok_context *last)
{
    core_mutex_lock(&gate->lock);
    const bool due =
        atomic_load(&gate->contexts) == NULL && gate->initialised && tok_gate_may_finalize(gate);
    core_mutex_unlock(&gate->lock);
    if (!due || tok_module_shared())
        return;
    const CK_RV rv = tok_library_finalize(&last->library, last->config);
    core_mutex_lock(&gate->lock);
    gate->initialised = false;
    gate->own = rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED; /* what is left is ours */
    core_mutex_unlock(&gate->lock);
}
