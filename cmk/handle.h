/* SPDX-License-Identifier: Apache-2.0
 *
 * The handles of the C API. A p11ekm_cmk is a number, not an address: a caller that uses a store
 * after it has closed it, or closes it twice, gets an error, also when other stores were opened in
 * the meantime. Thread-safe; handles are valid in forked children, too.
 */
#ifndef CMK_HANDLE_H
#define CMK_HANDLE_H

#include "cmk/p11ekm_cmk.h"
#include "cmk/store.h"

/* A handle for the store, whose reference it takes over; NULL when out of memory. */
p11ekm_cmk *cmk_handle_new(cmk_store *store);
/* The store with a reference for the caller; NULL when the handle is not open. */
cmk_store *cmk_handle_use(const p11ekm_cmk *handle);
/* Closes the handle and gives its reference to the caller; NULL when it is not open. */
cmk_store *cmk_handle_close(const p11ekm_cmk *handle);

#endif
