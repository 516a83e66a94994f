/* Minimum vertex cuts by shortest augmenting paths.
 *
 * It takes the same paths as `VertexFlow` in `mincut.py`, which says what the cuts are for, and tells the same work.
 * States are 2u for the entry of u and 2u + 1 for its exit.
 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

#define UNLIMITED INT64_MAX
/* The work that one visit of a vertex counts as: WORK_PER_FLOW_VISIT of `mincut.py`. */
#define WORK_PER_VISIT 4

static void list_edges(Flow *f, const uint64_t *step) {
    int e = 0;
    for (int u = 0; u < f->n; u++) {
        f->first[u] = e;
        for (int i = 0; i < f->words; i++)
            for (uint64_t word = step[u * f->words + i]; word; word &= word - 1)
                f->head[e++] = 64 * i + lowest(word);
    }
    f->first[f->n] = e;
    for (int i = 0; i < e; i++)
        f->first_into[f->head[i] + 1]++;
    for (int u = 0; u < f->n; u++)
        f->first_into[u + 1] += f->first_into[u];
    for (int u = 0; u < f->n; u++)
        for (int i = f->first[u]; i < f->first[u + 1]; i++) {
            int place = f->first_into[f->head[i]] + f->came[f->head[i]]++;
            f->tail[place] = u;
            f->edge_into[place] = i;
        }
}

int flow_init(Flow *f, int n, const uint64_t *step, const int64_t *size) {
    memset(f, 0, sizeof *f);
    f->n = n;
    f->words = words_of(n);
    for (int i = 0; i < n * f->words; i++)
        for (uint64_t word = step[i]; word; word &= word - 1)
            f->edges++;
    size_t vertices = (size_t)n + 1, edges = (size_t)f->edges + 1;
    f->size = malloc(vertices * sizeof *f->size);
    f->through = calloc(vertices, sizeof *f->through);
    f->ended = calloc(vertices, sizeof *f->ended);
    f->flow = calloc(edges, sizeof *f->flow);
    f->first = calloc(vertices, sizeof *f->first);
    f->first_into = calloc(vertices, sizeof *f->first_into);
    f->head = calloc(edges, sizeof *f->head);
    f->tail = calloc(edges, sizeof *f->tail);
    f->edge_into = calloc(edges, sizeof *f->edge_into);
    f->came = calloc(2 * vertices, sizeof *f->came);
    f->stamp = calloc(2 * vertices, sizeof *f->stamp);
    f->queue = calloc(2 * vertices, sizeof *f->queue);
    f->path = calloc(2 * vertices, sizeof *f->path);
    if (!f->size || !f->through || !f->ended || !f->flow || !f->first || !f->first_into || !f->head || !f->tail ||
        !f->edge_into || !f->came || !f->stamp || !f->queue || !f->path)
        return -1;
    memcpy(f->size, size, n * sizeof *size);
    list_edges(f, step);
    return 0;
}

void flow_free(Flow *f) {
    free(f->size), free(f->through), free(f->ended), free(f->flow);
    free(f->first), free(f->first_into), free(f->head), free(f->tail), free(f->edge_into);
    free(f->came), free(f->stamp), free(f->queue), free(f->path);
    memset(f, 0, sizeof *f);
}

static void reached(Flow *f, int state, int from, int *count) {
    f->stamp[state] = f->search;
    f->came[state] = from;
    f->queue[(*count)++] = state;
}

/* Search breadth first from v; returns the last state of a path, -1 where none is left, and counts the states met. */
static int find_path(Flow *f, int v, const uint64_t *starts, const uint64_t *region, const uint64_t *locked,
                     const uint64_t *ends, int *count) {
    const int *stamp = f->stamp;
    int now = ++f->search;
    *count = 0;
    reached(f, 2 * v + 1, 2 * v + 1, count);
    f->stamp[2 * v] = now;
    for (int i = 0; i < f->words; i++)
        for (uint64_t word = starts[i]; word; word &= word - 1)
            reached(f, 2 * (64 * i + lowest(word)), 2 * v + 1, count);
    for (int next = 1; next < *count; next++) {
        int state = f->queue[next], u = state >> 1;
        if (state & 1) {
            if (!has(region, u) || (has(ends, u) && u != v && f->ended[u] < f->size[u]))
                return state;
            for (int e = f->first[u]; e < f->first[u + 1]; e++)
                if (stamp[2 * f->head[e]] != now)
                    reached(f, 2 * f->head[e], state, count);
            if (f->through[u] && stamp[2 * u] != now)
                reached(f, 2 * u, state, count);
            continue;
        }
        if (stamp[state + 1] != now && (has(locked, u) || f->through[u] < f->size[u]))
            reached(f, state + 1, state, count);
        for (int i = f->first_into[u]; i < f->first_into[u + 1]; i++)
            if (f->flow[f->edge_into[i]] && stamp[2 * f->tail[i] + 1] != now)
                reached(f, 2 * f->tail[i] + 1, state, count);
    }
    return -1;
}

/* The edge from u to w, which exists. */
static int edge_between(const Flow *f, int u, int w) {
    int low = f->first[u], high = f->first[u + 1] - 1;
    while (low < high) {
        int mid = (low + high) / 2;
        if (f->head[mid] < w)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Send `pushed` more from state a to state b, or with 0 return how much more can flow. */
static int64_t push(Flow *f, int a, int b, int v, const uint64_t *locked, int64_t pushed) {
    int u = a >> 1, w = b >> 1;
    if (u == w) {
        f->through[u] += a & 1 ? -pushed : pushed;
        return a & 1 ? f->through[u] : has(locked, u) ? UNLIMITED : f->size[u] - f->through[u];
    }
    if (!(a & 1)) {
        int64_t *back = &f->flow[edge_between(f, w, u)];
        *back -= pushed;
        return *back;
    }
    if (u != v)
        f->flow[edge_between(f, u, w)] += pushed;
    return UNLIMITED;
}

static int64_t augment(Flow *f, int v, int last, const uint64_t *region, const uint64_t *locked) {
    int end = last >> 1, inside = has(region, end);
    int64_t pushed = inside ? f->size[end] - f->ended[end] : UNLIMITED;
    for (int state = last; state != 2 * v + 1; state = f->came[state]) {
        int64_t room = push(f, f->came[state], state, v, locked, 0);
        if (room < pushed)
            pushed = room;
    }
    for (int state = last; state != 2 * v + 1; state = f->came[state])
        push(f, f->came[state], state, v, locked, pushed);
    if (inside)
        f->ended[end] += pushed;
    return pushed;
}

int64_t flow_cut(Flow *f, int v, const uint64_t *starts, const uint64_t *region, const uint64_t *locked,
                 const uint64_t *ends, Watch watch, void *who) {
    int64_t total = 0;
    memset(f->flow, 0, f->edges * sizeof *f->flow);
    memset(f->through, 0, f->n * sizeof *f->through);
    memset(f->ended, 0, f->n * sizeof *f->ended);
    if (f->search > INT32_MAX / 2) {
        memset(f->stamp, 0, 2 * (f->n + 1) * sizeof *f->stamp);
        f->search = 0;
    }
    for (;;) {
        int count, last = find_path(f, v, starts, region, locked, ends, &count);
        if (watch(who, (int64_t)WORK_PER_VISIT * count) < 0)
            return -1;
        if (last < 0)
            return total;
        total += augment(f, v, last, region, locked);
    }
}
