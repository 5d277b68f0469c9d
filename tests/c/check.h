/*
 * check.h - what a C test needs: CHECK, CHECK_EQ, RUN, and a repeatable random.
 *
 * One program a test file. The first failure prints where, in which case and with which seed, and ends the program with 1.
 * Comments at the top of a test tell the runner (test_c.py) what to build:
 *   "links: queue.c fair.c"   files of csrc/; "links: all" = all but python_glue.c
 *   "flags: -Itests/c/seam"   further compiler flags, before the others
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const char *check_case = "";
static uint64_t check_seed; /* 0 = the case is not random */

static inline void check_failed(const char *file, int line, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, check_case, what);
    if (check_seed)
        fprintf(stderr, "repeat it with PVS_SEED=%llu\n", (unsigned long long)check_seed);
    exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define CHECK_EQ(got, wanted) check_eq(__FILE__, __LINE__, #got, (long long)(got), (long long)(wanted))
static inline void check_eq(const char *file, int line, const char *what, long long got, long long wanted)
{
    char text[512];

    if (got == wanted)
        return;
    snprintf(text, sizeof(text), "%s is %lld, wanted %lld", what, got, wanted);
    check_failed(file, line, text);
}

/* Says the case's name first, so that a crash or a time limit tells where it was. */
#define RUN(function) (check_case = #function, printf("%s\n", #function), fflush(stdout), function())

/* The seeds of a random case: PVS_SEED alone where it is set, else first .. first + count - 1. */
#define FOR_SEEDS(seed, first, count)                                                                             \
    for (uint64_t seed = check_first_seed(first), seed##_end = check_last_seed(first, count); seed <= seed##_end; \
         seed++)
static inline uint64_t check_first_seed(uint64_t first)
{
    const char *text = getenv("PVS_SEED");
    return text ? strtoull(text, NULL, 10) : first;
}
static inline uint64_t check_last_seed(uint64_t first, uint64_t count)
{
    return getenv("PVS_SEED") ? check_first_seed(first) : first + count - 1;
}

/* splitmix64: the same numbers everywhere */
static inline uint64_t draw64(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 0 .. below - 1 */
static inline uint32_t draw(uint64_t *state, uint32_t below)
{
    return (uint32_t)(draw64(state) % below);
}

#endif
