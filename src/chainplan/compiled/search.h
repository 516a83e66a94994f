/* The search of one connected set and of the connected subsets below it: `SetSearch` of `branch_and_bound.py`. */
#ifndef CHAINPLAN_SEARCH_H
#define CHAINPLAN_SEARCH_H

#include "groups.h"

#define FAILED (-1)
#define LARGER_GROUPS_PAY (-2)

/* A candidate for going last, with its bound and its price. */
typedef struct {
    int64_t bound, price;
    int32_t v;
} Row;

/* What is known of a set: the optimum and the vertex that goes last, or a lower bound, and its sorted candidates.
 *
 * Candidates whose bound is far above the limits in use are left out; `left_out` is the least of their bounds. They are
 * made again when a limit reaches it.
 */
typedef struct {
    int64_t exact, low, left_out;
    Row *rows;
    int16_t count, last;
    uint8_t is_exact, has_low, active;
} Known;

typedef struct {
    Model *model;
    Set whole;
    Table known;
    Groups groups;
    int64_t visits, patience;
    /* How far above the lower bound of the whole the limit is; the sets with candidates, and the most there may be. */
    int64_t slack, held, room;
} SetSearch;

void search_init(SetSearch *search, Model *model, const uint64_t *whole, int64_t room);
void search_free(SetSearch *search);

/* The best known lower bound of a set; FAILED with an exception. */
int64_t search_bound(SetSearch *search, const uint64_t *inside);

/* Replace the groups by others of at most `most` members. Returns FAILED with an exception. */
int search_regroup(SetSearch *search, int most);

/* Search the whole under a limit. Returns what `search_solve` does. */
int64_t search_whole(SetSearch *search, int64_t limit);

/* The optimum of a set if it is at most `limit`, else a lower bound above it; FAILED or LARGER_GROUPS_PAY. */
int64_t search_solve(SetSearch *search, const uint64_t *inside, int64_t limit);

/* Write down an optimal order of a solved set from `place` on and return the next place; -1 without memory. */
int search_order(SetSearch *search, const uint64_t *inside, int *order, int place);

#endif
