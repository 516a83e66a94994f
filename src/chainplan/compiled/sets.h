/* Sets of vertices as words of 64 bits, whose number is the same for all sets of one graph. */
#ifndef CHAINPLAN_SETS_H
#define CHAINPLAN_SETS_H

#include "core.h"

#include <string.h>

/* Most words of a set in routines that hold sets on the stack: 1024 vertices. */
#define MAX_WORDS 16

typedef uint64_t Set[MAX_WORDS];

/* Loop over the members of a set in rising order. */
#define EACH(v, set, words)                                                                                            \
    for (int v##_word = 0; v##_word < (words); v##_word++)                                                             \
        for (uint64_t v##_left = (set)[v##_word]; v##_left; v##_left &= v##_left - 1)                                  \
            for (int v = 64 * v##_word + lowest(v##_left), v##_once = 1; v##_once; v##_once = 0)

/* Loop over the words of sets. */
#define WORDS(i, words) for (int i = 0; i < (words); i++)

static inline void put(uint64_t *set, int v) { set[v >> 6] |= (uint64_t)1 << (v & 63); }
static inline void drop(uint64_t *set, int v) { set[v >> 6] &= ~((uint64_t)1 << (v & 63)); }
static inline void clear_set(uint64_t *set, int words) { memset(set, 0, words * sizeof *set); }
static inline void copy_set(uint64_t *to, const uint64_t *from, int words) { memcpy(to, from, words * sizeof *to); }

static inline int same(const uint64_t *a, const uint64_t *b, int words) {
    return memcmp(a, b, words * sizeof *a) == 0;
}

static inline int is_empty(const uint64_t *set, int words) {
    WORDS(i, words) if (set[i]) return 0;
    return 1;
}

static inline int meets(const uint64_t *a, const uint64_t *b, int words) {
    WORDS(i, words) if (a[i] & b[i]) return 1;
    return 0;
}

/* Whether a set that is not empty has one member. */
static inline int is_single(const uint64_t *set, int words) {
    uint64_t seen = 0;
    WORDS(i, words) {
        if (set[i] & (set[i] - 1) || (seen && set[i]))
            return 0;
        seen |= set[i];
    }
    return 1;
}

static inline int bit_count(uint64_t word) {
    int count = 0;
    for (; word; word &= word - 1)
        count++;
    return count;
}

static inline int count_set(const uint64_t *set, int words) {
    int count = 0;
    WORDS(i, words) count += bit_count(set[i]);
    return count;
}

/* Compare sets as the numbers that they are in Python: negative, 0 or positive. */
static inline int compare_sets(const uint64_t *a, const uint64_t *b, int words) {
    for (int i = words - 1; i >= 0; i--)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

#endif
