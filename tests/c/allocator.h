/*
 * allocator.h - counts what this process asks of the C library's allocator, whoever asks, and makes the n-th fail.
 *
 * Without a sanitizer the program's own malloc, calloc and realloc come before glibc's; under one, which has its own, its hook
 * counts (and cannot let one fail). Another C library's functions have no second name: there nothing is watched. One thread.
 */
#ifndef ALLOCATOR_H
#define ALLOCATOR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

static struct {
    volatile int on, for_ever; /* volatile: a compiler thinks that malloc() leaves them alone */
    volatile long made, at;    /* at 0 = none fails */
} allocator;

static inline int allocator_enter(void)
{
    if (!allocator.on)
        return 1;
    allocator.made = allocator.made + 1;
    return !allocator.at || (allocator.for_ever ? allocator.made < allocator.at : allocator.made != allocator.at);
}

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define ALLOCATOR_FAILS 0
#define ALLOCATOR_COUNTS 1

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static inline void allocator_saw(const volatile void *at, size_t size)
{
    (void)at, (void)size;
    (void)allocator_enter();
}

static inline void allocator_saw_free(const volatile void *at)
{
    (void)at;
}

static inline void allocator_begin(void)
{
    static int installed;

    if (!installed)
        CHECK(__sanitizer_install_malloc_and_free_hooks(allocator_saw, allocator_saw_free) > 0);
    installed = 1;
}

#elif defined(__GLIBC__)
#define ALLOCATOR_FAILS 1
#define ALLOCATOR_COUNTS 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

static inline void *allocator_refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return allocator_enter() ? __libc_malloc(size) : allocator_refuse();
}

void *calloc(size_t count, size_t size)
{
    return allocator_enter() ? __libc_calloc(count, size) : allocator_refuse();
}

void *realloc(void *at, size_t size)
{
    return allocator_enter() ? __libc_realloc(at, size) : allocator_refuse();
}

static inline void allocator_begin(void)
{
}

#else
#define ALLOCATOR_FAILS 0
#define ALLOCATOR_COUNTS 0

static inline void allocator_begin(void)
{
}

#endif

/* From here on it counts, and the n-th (0: none) fails, or that one and all that follow. */
static inline void allocator_watch(long at, int for_ever)
{
    allocator_begin();
    allocator.made = 0, allocator.at = at, allocator.for_ever = for_ever, allocator.on = 1;
}

/* Ends that; how many were asked for. */
static inline long allocator_rest(void)
{
    allocator.on = 0;
    return allocator.made;
}

#endif
