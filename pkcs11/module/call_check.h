/* SPDX-License-Identifier: Apache-2.0
 *
 * Assertions of debug builds (the presets dev, asan-ubsan and tsan): the module is called between
 * tok_module_enter and tok_module_exit or with the call gate closed, neither is nested, and no
 * core_mutex is held then. With NDEBUG there is nothing of it.
 */
#ifndef PKCS11_MODULE_CALL_CHECK_H
#define PKCS11_MODULE_CALL_CHECK_H

#ifdef NDEBUG

#define tok_check_enter()   ((void)0)
#define tok_check_exit()    ((void)0)
#define tok_check_inside()  ((void)0)
#define tok_check_no_lock() ((void)0)

#else

/* This thread starts to call the module, and ends. */
void tok_check_enter(void);
void tok_check_exit(void);
/* This thread may call the module: at the start of functions that do. */
void tok_check_inside(void);
/* It holds no core_mutex. Enough for C_Initialize and C_Finalize. */
void tok_check_no_lock(void);

#endif

#endif
