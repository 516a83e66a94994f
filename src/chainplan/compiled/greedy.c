/* Greedy elimination of dense graphs by a key: what `greedy` does with dictionaries, here on sets of bits. */
#include "sets.h"

#include <stdlib.h>

enum Key { FIXED, MARKOWITZ, PRICE, PRICE_PER_SIZE, FILL, FILL_AND_PRICE, LMMD, MOMR, KEYS };
static const char *const NAMES[KEYS] = {"fixed", "markowitz",      "price", "price-per-size",
                                        "fill",  "fill-and-price", "lmmd",  "momr"};

/* A graph under elimination; `ins` and `outs` are the weights of the neighbourhoods. */
typedef struct {
    int n, words;
    int64_t *size, *ins, *outs;
    uint64_t *into, *out, *middle, *kept;
    /* Whether additions count as well as multiplications. */
    int adds;
} Graph;

/* An entry of the heap: the lowest value first, then the lowest rank, then the lowest vertex. */
typedef struct {
    double value;
    int64_t rank;
    int v;
} Entry;

typedef struct {
    Entry *entry;
    size_t count, room;
} Heap;

static uint64_t *row(const Graph *g, uint64_t *sets, int v) { return sets + (size_t)v * g->words; }

static int64_t weight(const Graph *g, const uint64_t *set, const uint64_t *without) {
    int64_t sum = 0;
    WORDS(i, g->words) for (uint64_t left = set[i] & ~(without ? without[i] : 0); left; left &= left - 1)
        sum += g->size[64 * i + lowest(left)];
    return sum;
}

static int before(const Entry *a, const Entry *b) {
    if (a->value != b->value)
        return a->value < b->value;
    return a->rank != b->rank ? a->rank < b->rank : a->v < b->v;
}

static int push(Heap *heap, Entry entry) {
    if (heap->count == heap->room) {
        size_t room = 2 * heap->room + 64;
        Entry *more = realloc(heap->entry, room * sizeof *more);
        if (!more) {
            PyErr_NoMemory();
            return -1;
        }
        heap->entry = more, heap->room = room;
    }
    size_t at = heap->count++;
    for (; at && before(&entry, &heap->entry[(at - 1) / 2]); at = (at - 1) / 2)
        heap->entry[at] = heap->entry[(at - 1) / 2];
    heap->entry[at] = entry;
    return 0;
}

static Entry pop(Heap *heap) {
    Entry top = heap->entry[0], last = heap->entry[--heap->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && before(&heap->entry[child + 1], &heap->entry[child]))
            child++;
        if (!before(&heap->entry[child], &last))
            break;
        heap->entry[at] = heap->entry[child];
    }
    heap->entry[at] = last;
    return top;
}

static int64_t fill(const Graph *g, int v) {
    int64_t sum = 0;
    const uint64_t *out = row(g, g->out, v);
    EACH(p, row(g, g->into, v), g->words) sum += g->size[p] * weight(g, out, row(g, g->out, p));
    return sum;
}

static int64_t damage(const Graph *g, int v) {
    const uint64_t *into = row(g, g->into, v), *out = row(g, g->out, v);
    int64_t sum = 0, own = has(g->kept, v) ? 0 : g->size[v];
    EACH(p, into, g->words) if (has(g->middle, p)) sum +=
        g->size[p] * g->ins[p] * (weight(g, out, row(g, g->out, p)) - own);
    EACH(s, out, g->words) if (has(g->middle, s)) sum +=
        g->size[s] * g->outs[s] * (weight(g, into, row(g, g->into, s)) - g->size[v]);
    return sum;
}

/* What `EdgePrices.weighed` says. */
static int64_t price_of(const Graph *g, int v) {
    int64_t product = g->ins[v] * g->outs[v];
    if (g->adds)
        product += product - g->outs[v] - (has(g->kept, v) ? 0 : g->ins[v] - 1);
    return g->size[v] * product;
}

static int64_t pairs_of(const Graph *g, int v) {
    return (int64_t)count_set(row(g, g->into, v), g->words) * count_set(row(g, g->out, v), g->words);
}

/* The value of a key; `base` is added to it, and it is multiplied by `factor`, where they are given. */
static double value_of(const Graph *g, enum Key key, int v, const int64_t *base, const double *factor) {
    int64_t price = price_of(g, v), whole = 0;
    double value;
    switch (key) {
    case MARKOWITZ: whole = pairs_of(g, v); break;
    case PRICE: whole = price; break;
    case FILL: whole = fill(g, v); break;
    case FILL_AND_PRICE: whole = fill(g, v) * g->size[v] + price; break;
    case MOMR: whole = damage(g, v) - price; break;
    default: break;
    }
    value = (double)(whole + (base ? base[v] : 0));
    if (key == PRICE_PER_SIZE)
        value = (double)price / (double)(g->size[v] > 1 ? g->size[v] : 1);
    else if (key == LMMD)
        value = (double)price + 0.5 * (double)damage(g, v);
    return factor ? value * factor[v] : value;
}

/* Eliminate v: every predecessor is joined to every successor. */
static int64_t eliminate(Graph *g, int v) {
    int64_t price = price_of(g, v);
    uint64_t *into = row(g, g->into, v), *out = row(g, g->out, v);
    int words = g->words, stays = has(g->kept, v);
    EACH(s, out, words) {
        uint64_t *near = row(g, g->into, s);
        drop(near, v);
        WORDS(i, words) near[i] |= into[i];
        g->ins[s] = weight(g, near, NULL);
    }
    EACH(p, into, words) {
        uint64_t *near = row(g, g->out, p);
        WORDS(i, words) near[i] |= out[i];
        if (!stays)
            drop(near, v);
        g->outs[p] = weight(g, near, NULL);
    }
    clear_set(out, words), g->outs[v] = 0;
    if (!stays)
        clear_set(into, words), g->ins[v] = 0;
    drop(g->middle, v);
    return price;
}

static void graph_free(Graph *g) {
    free(g->size), free(g->ins), free(g->outs), free(g->into), free(g->out), free(g->middle), free(g->kept);
}

/* Read a graph from its sizes, its rows of predecessors, and the numbers of vertices that are kept. */
static int graph_init(Graph *g, PyObject *size, PyObject *into, PyObject *kept) {
    int n = g->n = (int)PyList_Size(size), words = g->words = words_of(n);
    size_t room = (size_t)n * words + 1;
    g->size = calloc(n + 1, sizeof *g->size), g->ins = calloc(n + 1, sizeof *g->ins);
    g->outs = calloc(n + 1, sizeof *g->outs);
    g->into = calloc(room, sizeof *g->into), g->out = calloc(room, sizeof *g->out);
    g->middle = calloc(words + 1, sizeof *g->middle), g->kept = calloc(words + 1, sizeof *g->kept);
    if (!g->size || !g->ins || !g->outs || !g->into || !g->out || !g->middle || !g->kept) {
        PyErr_NoMemory();
        return -1;
    }
    if (read_numbers(size, g->size, n) < 0)
        return -1;
    for (int v = 0; v < n; v++) {
        PyObject *key, *edge, *near = PyList_GetItem(into, v);
        Py_ssize_t at = 0;
        if (!near)
            return -1;
        while (PyDict_Next(near, &at, &key, &edge)) {
            int p = (int)PyLong_AsLong(key);
            if (p < 0 || p >= n) {
                PyErr_SetString(PyExc_ValueError, "a predecessor is no vertex");
                return -1;
            }
            put(row(g, g->into, v), p), put(row(g, g->out, p), v);
        }
        int stays = PyObject_IsTrue(PyList_GetItem(kept, v));
        if (stays < 0)
            return -1;
        if (stays)
            put(g->kept, v);
    }
    for (int v = 0; v < n; v++)
        g->ins[v] = weight(g, row(g, g->into, v), NULL), g->outs[v] = weight(g, row(g, g->out, v), NULL);
    return 0;
}

/* What is left of the work until Python is asked whether to go on. */
typedef struct {
    int64_t most, left;
    PyObject *tick;
} Pace;

static int look(Pace *pace, int64_t work) {
    pace->left -= work;
    if (pace->left > 0)
        return 0;
    pace->left = pace->most;
    PyObject *answer = PyObject_CallFunction(pace->tick, NULL);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

/* The order of a key, or None where it gets as dear as `most`. */
static PyObject *followed(Graph *g, enum Key key, const int64_t *base, const double *factor, const int64_t *rank,
                          int64_t most, int local, Pace *pace, Heap *heap, double *now, uint64_t *near) {
    int64_t price = 0;
    PyObject *order = PyList_New(0), *result = NULL;
    if (!order)
        return NULL;
    EACH(v, g->middle, g->words) {
        if (look(pace, local ? 5 : 5 + pairs_of(g, v)) < 0)
            goto done;
        now[v] = value_of(g, key, v, base, factor);
        if (push(heap, (Entry){now[v], rank[v], v}) < 0)
            goto done;
    }
    while (heap->count) {
        Entry top = pop(heap);
        int v = top.v;
        if (!has(g->middle, v) || now[v] != top.value)
            continue;
        double fresh = local ? top.value : value_of(g, key, v, base, factor);
        if (fresh > top.value) {
            now[v] = fresh;
            if (push(heap, (Entry){fresh, rank[v], v}) < 0)
                goto done;
            continue;
        }
        clear_set(near, g->words);
        if (key != FIXED)
            WORDS(i, g->words) near[i] = row(g, g->into, v)[i] | row(g, g->out, v)[i];
        if (look(pace, 20 + 5 * (int64_t)count_set(near, g->words)) < 0)
            goto done;
        price += eliminate(g, v);
        PyObject *number = PyLong_FromLong(v);
        if (!number || PyList_Append(order, number) < 0) {
            Py_XDECREF(number);
            goto done;
        }
        Py_DECREF(number);
        if (most >= 0 && price >= most) {
            result = Py_NewRef(Py_None);
            goto done;
        }
        EACH(u, near, g->words) {
            if (!has(g->middle, u))
                continue;
            if (!local && look(pace, 5 + pairs_of(g, u)) < 0)
                goto done;
            fresh = value_of(g, key, u, base, factor);
            if (fresh != now[u]) {
                now[u] = fresh;
                if (push(heap, (Entry){fresh, rank[u], u}) < 0)
                    goto done;
            }
        }
    }
    result = Py_BuildValue("(LO)", (long long)price, order);
done:
    Py_DECREF(order);
    return result;
}

PyObject *follow_key(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *size, *into, *kept, *middle, *ranks, *bases, *factors, *result = NULL;
    const char *name;
    long long most, work;
    int local, key = 0;
    Pace pace;
    Graph g = {0};
    Heap heap = {0};
    if (!PyArg_ParseTuple(args, "O!O!O!O!sO!OOLppLO", &PyList_Type, &size, &PyList_Type, &into, &PyList_Type, &kept,
                          &PyList_Type, &middle, &name, &PyList_Type, &ranks, &bases, &factors, &most, &local, &g.adds,
                          &work, &pace.tick))
        return NULL;
    while (key < KEYS && strcmp(name, NAMES[key]))
        key++;
    if (key == KEYS)
        return PyErr_Format(PyExc_ValueError, "%s is no key", name);
    pace.most = pace.left = work;
    int n = (int)PyList_Size(size), failed = graph_init(&g, size, into, kept) < 0;
    int64_t *base = malloc((n + 1) * sizeof *base), *rank = malloc((n + 1) * sizeof *rank);
    double *factor = malloc((n + 1) * sizeof *factor), *now = malloc((n + 1) * sizeof *now);
    uint64_t *near = malloc((g.words + 1) * sizeof *near);
    if (!base || !rank || !factor || !now || !near)
        failed = 1, PyErr_NoMemory();
    failed = failed || read_numbers(ranks, rank, n) < 0 || (bases != Py_None && read_numbers(bases, base, n) < 0);
    for (Py_ssize_t i = 0; !failed && factors != Py_None && i < n; i++) {
        PyObject *given = PyList_GetItem(factors, i);
        factor[i] = given ? PyFloat_AsDouble(given) : 0;
        failed = PyErr_Occurred() != NULL;
    }
    for (Py_ssize_t i = 0; !failed && i < PyList_Size(middle); i++) {
        long v = PyLong_AsLong(PyList_GetItem(middle, i));
        if (v < 0 || v >= n)
            failed = 1, PyErr_SetString(PyExc_ValueError, "an intermediate is no vertex");
        else
            put(g.middle, (int)v);
    }
    if (!failed)
        result = followed(&g, (enum Key)key, bases == Py_None ? NULL : base, factors == Py_None ? NULL : factor, rank, most,
                          local, &pace, &heap, now, near);
    free(base), free(rank), free(factor), free(now), free(near), free(heap.entry);
    graph_free(&g);
    return result;
}
