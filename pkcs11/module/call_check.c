/* SPDX-License-Identifier: Apache-2.0
 *
 * The assertions of call_check.h: how often this thread has entered the call gate of any module.
 */
#include "pkcs11/module/call_check.h"

#include "core/lock.h"

#ifndef NDEBUG

static _Thread_local unsigned entered;

void tok_check_enter(void)
{
    core_check(entered == 0, "the call gate is entered twice");
    entered++;
    tok_check_no_lock();
}

void tok_check_exit(void)
{
    core_check(entered == 1, "the call gate is left without having been entered");
    entered--;
}

void tok_check_inside(void)
{
    core_check(entered == 1, "the module is called outside the call gate");
    tok_check_no_lock();
}

void tok_check_no_lock(void)
{
    core_check(core_mutexes_held() == 0, "the module is called with a lock of memory held");
}

#endif
