/* SPDX-License-Identifier: Apache-2.0
 *
 * The handles of the C API. A p11ekm_cmk is a number, not an address: a caller that uses or closes
 * a store after it was closed gets an error, even if other stores were opened since. Thread-safe;
 * handles remain valid in the children of a fork.
 */
#ifndef CMK_HANDLE_H
#define CMK_HANDLE_H

#include "cmk/p11ekm_cmk.h"
#include "cmk/store.h"

/* Creates a handle and takes over the reference to the store. NULL if memory is out; the caller
 * then still owns the reference. */
p11ekm_cmk *cmk_handle_new(cmk_store *store);
/* The store with a reference for the caller; NULL if the handle is not open. */
cmk_store *cmk_handle_use(const p11ekm_cmk *handle);
/* Closes the handle and passes its reference to the caller; NULL if the handle is not open. */
cmk_store *cmk_handle_close(const p11ekm_cmk *handle);

#endif
