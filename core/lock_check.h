/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes for clang's thread-safety analysis, which scripts/lint.sh runs over the library. Other
 * compilers ignore them. In C they stand after the parameters of a function or after a variable,
 * and may name parameters and file-scope variables. A struct member cannot name the lock next to
 * it, so members use CORE_GUARDED. The order of the locks is in docs/ARCHITECTURE.md, "Locks".
 */
#ifndef CORE_LOCK_CHECK_H
#define CORE_LOCK_CHECK_H

#ifdef __clang__
#define CORE_ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#else
#define CORE_ATTRIBUTE(...)
#endif

/* A type that is a lock. */
#define CORE_CAPABILITY(name) CORE_ATTRIBUTE(capability(name))
/* A file-scope variable, all of it: read and written with that lock. */
#define CORE_GUARDED_BY(lock) CORE_ATTRIBUTE(guarded_by(lock))
/* A member: read and written with a lock held. Which one is for its comment to say. */
#define CORE_GUARDED CORE_ATTRIBUTE(guarded_var)
/* The function is called with the locks held, and returns with them held. */
#define CORE_REQUIRES(...) CORE_ATTRIBUTE(requires_capability(__VA_ARGS__))
/* The function is called with the locks not held, and takes them itself. */
#define CORE_EXCLUDES(...) CORE_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define CORE_ACQUIRE(...)  CORE_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define CORE_RELEASE(...)  CORE_ATTRIBUTE(release_capability(__VA_ARGS__))
/* Holds the lock if it returns `success`, true or false. */
#define CORE_TRY_ACQUIRE(success, ...) CORE_ATTRIBUTE(try_acquire_capability(success, __VA_ARGS__))
/* Before a function that the analysis cannot follow; a comment there says why. */
#define CORE_NO_ANALYSIS CORE_ATTRIBUTE(no_thread_safety_analysis)

#endif
