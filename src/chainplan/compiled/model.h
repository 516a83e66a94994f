/* A graph whose edges have classes, with the prices and lower bounds of its sets: `bounds.py` and `block_classes.py`. */
#ifndef CHAINPLAN_MODEL_H
#define CHAINPLAN_MODEL_H

#include "flow.h"
#include "sets.h"
#include "table.h"

/* One direction: sets of neighbours, and what is known of reaches and cuts. See `NetDirection`. */
typedef struct {
    int upstream;
    const uint64_t *step, *full, *unit, *ends;
    int64_t *plain, *floor;
    Flow flow;
    Table known, cuts;
} Direction;

/* What a reach has: the weight of its neighbourhood, and the minimum cut. */
typedef struct {
    int64_t weight, cut;
} Look;

typedef struct {
    int n, words, mixed;
    int64_t *size;
    /* The sets of a graph, n · words words each: all, full and unit edges, up and down; then those of either way. */
    uint64_t *sets[7];
    Set kept;
    Direction side[2];
    /* Work until the next call of `tick`, which belongs to the caller and is set for each call from Python. */
    int64_t left;
    PyObject *tick;
} Model;

static inline const uint64_t *row(const Model *m, const uint64_t *sets, int v) { return sets + (size_t)v * m->words; }

/* Take over sizes and sets, which it frees. Returns -1 with an exception. */
int model_init(Model *model, int n, int64_t *size, uint64_t *sets[6], const uint64_t *kept, int mixed);
void model_free(Model *model);

/* Tell of work; a call of `tick` is due after every WORK_BETWEEN_LOOKS of it. Returns -1 with an exception. */
int model_look(void *model, int64_t work);
int model_tick(Model *model);

int64_t set_weight(const Model *model, const uint64_t *set);

/* What the members of a set cost, by vertex: `last` and `least` of a `SetScan`, and which need not go last. */
int model_scan(Model *model, const uint64_t *inside, int64_t *last, int64_t *least, uint64_t *skip);

/* Remember the minimum cuts of a set as lower bounds on those of its subsets. */
int model_root(Model *model, const uint64_t *inside);

/* The least that v costs when `gone` goes before it and what is not in `inside` stays; -1 with an exception. */
int64_t model_least(Model *model, int v, const uint64_t *inside, const uint64_t *gone);

/* The component of a set that holds its least member. */
void model_part(const Model *model, const uint64_t *set, uint64_t *part);

#endif
