/* A graph whose vertices have capacities, and the state of one maximum flow in it. */
#ifndef CHAINPLAN_FLOW_H
#define CHAINPLAN_FLOW_H

#include "core.h"

/* What is told of the work done. It returns -1 where an exception is set, which ends the flow. */
typedef int (*Watch)(void *who, int64_t work);

typedef struct {
    int n, words, edges;
    int64_t *size;
    /* The edges of u are first[u] ... first[u + 1] - 1, by rising head; those into u are listed likewise. */
    int *first, *head;
    int *first_into, *tail, *edge_into;
    /* The state of one flow: on edges, through vertices, out of ends. */
    int64_t *flow, *through, *ended;
    /* The state of one search: where each of the 2n states was reached from, and in which search. */
    int *came, *stamp, *queue, *path;
    int search;
} Flow;

/* Allocate the graph with the sets `step` of n · words words and the sizes. Returns -1 without memory. */
int flow_init(Flow *flow, int n, const uint64_t *step, const int64_t *size);
void flow_free(Flow *flow);

/* The weight of the lightest cut, see `min_cut` in `mincut.py`; -1 where the watch has set an exception. */
int64_t flow_cut(Flow *flow, int v, const uint64_t *starts, const uint64_t *region, const uint64_t *locked,
                 const uint64_t *ends, Watch watch, void *who);

#endif
