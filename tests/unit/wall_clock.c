/* SPDX-License-Identifier: Apache-2.0
 *
 * Waits and sleeps while the wall clock is set forward and back: a case of the suite "platform".
 */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "core/lock.h"
#include "core/platform.h"
#include "test_core.h"

/* Stands in for libc's in this program: the wall clock can be set, for this program only. */
static atomic_long wall_clock_set_s;

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const int rc = (int)syscall(SYS_clock_gettime, clock, out);
    if (clock == CLOCK_REALTIME)
        out->tv_sec += atomic_load(&wall_clock_set_s);
    return rc;
}

static uint64_t wait_with_wall_clock_set(long seconds)
{
    core_mutex mutex = CORE_MUTEX_INIT;
    core_cond cond = CORE_COND_INIT;
    const uint64_t start = core_now_us();
    const uint64_t until = core_deadline_us(60);
    atomic_store(&wall_clock_set_s, seconds);
    core_mutex_lock(&mutex);
    while (core_cond_wait_until(&cond, &mutex, until))
        ;
    core_mutex_unlock(&mutex);
    core_sleep_ms(5);
    atomic_store(&wall_clock_set_s, 0);
    return core_now_us() - start;
}

void wall_clock_set_waits_are_as_long(void)
{
    enum { FORTY_DAYS = 40 * 86400 };
    const uint32_t today = core_utc_date();
    atomic_store(&wall_clock_set_s, FORTY_DAYS);
    CU_ASSERT_TRUE(core_utc_date() > today); /* the library reads this clock */
    for (int sign = -1; sign <= 1; sign++) {
        const uint64_t took = wait_with_wall_clock_set(sign * (long)FORTY_DAYS);
        CU_ASSERT_TRUE(took >= 65000 && took < 5000000);
    }
}
