/* The cheapest order of a few vertices over all their subsets: what `subset_dp` does in numpy for dense blocks. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 20 };

/* The neighbours of a fragment on one side: those within it, and the weight of the outside ones by what they touch. */
typedef struct {
    int64_t near[MOST], *touching;
    double outside;
} Side;

/* A vertex in a table by number: its place in the fragment, -1 outside, and the members of the fragment it touches. */
typedef struct {
    long vertex;
    int place;
    int64_t mask;
} Seen;

static Seen *find(Seen *table, size_t room, long vertex) {
    size_t at = ((size_t)vertex * 0x9E3779B9u) & (room - 1);
    while (table[at].vertex >= 0 && table[at].vertex != vertex)
        at = (at + 1) & (room - 1);
    return &table[at];
}

/* The size of a vertex; borrowed, NULL with an exception where there is none. */
static PyObject *size_of(PyObject *size, long vertex) { return PyList_GetItem(size, (Py_ssize_t)vertex); }

/* Read the neighbours of the `k` vertices of a fragment from their rows, and the weight of the outside ones. */
static int read_side(Side *side, int k, const int64_t *local, PyObject *size, PyObject *rows) {
    size_t room = 64, sets = (size_t)1 << k, count = k;
    PyObject *row[MOST], *key, *edge;
    for (int i = 0; i < k; i++) {
        if (!(row[i] = PyList_GetItem(rows, (Py_ssize_t)local[i])))
            return -1;
        count += (size_t)PyDict_Size(row[i]);
    }
    while (room < 2 * count)
        room *= 2;
    Seen *table = malloc(room * sizeof *table);
    side->touching = calloc(2 * sets, sizeof *side->touching);
    int failed = -1;
    if (!table || !side->touching) {
        PyErr_NoMemory();
        goto done;
    }
    for (size_t i = 0; i < room; i++)
        table[i].vertex = -1;
    for (int i = 0; i < k; i++)
        *find(table, room, (long)local[i]) = (Seen){(long)local[i], i, 0};
    for (int i = 0; i < k; i++) {
        side->near[i] = 0;
        for (Py_ssize_t at = 0; PyDict_Next(row[i], &at, &key, &edge);) {
            long vertex = PyLong_AsLong(key);
            Seen *seen = find(table, room, vertex);
            if (vertex < 0)
                goto done;
            if (seen->vertex < 0)
                *seen = (Seen){vertex, -1, 0};
            if (seen->place >= 0)
                side->near[i] |= (int64_t)1 << seen->place;
            seen->mask |= (int64_t)1 << i;
        }
    }
    side->outside = 0;
    for (size_t i = 0; i < room; i++) {
        PyObject *weight;
        if (table[i].vertex < 0 || table[i].place >= 0)
            continue;
        if (!(weight = size_of(size, table[i].vertex)))
            goto done;
        side->outside += PyLong_AsDouble(weight);
        side->touching[sets + table[i].mask] += (int64_t)PyLong_AsUnsignedLongLongMask(weight);
    }
    failed = PyErr_Occurred() ? -1 : 0;
done:
    free(table);
    return failed;
}

/* From the weight of the outside vertices that touch exactly a set to that of those that touch any of it. */
static void add_up(Side *side, int k) {
    int64_t sets = (int64_t)1 << k, *table = side->touching, *within = table + sets;
    for (int64_t bit = 1; bit < sets; bit *= 2)
        for (int64_t rest = 0; rest < sets; rest += 2 * bit)
            for (int64_t set = rest; set < rest + bit; set++)
                within[set + bit] += within[set];
    for (int64_t set = 0; set < sets; set++)
        table[set] = within[sets - 1] - within[sets - 1 - set];
}

/* The place in a table of vertex v after a set, of which only the members before v count (`up`), or those behind it. */
static int64_t place_of(int v, int64_t set, int k, int up) {
    return up ? (int64_t)1 << v | (set & (((int64_t)1 << v) - 1)) : (int64_t)1 << (k - 1 - v) | set >> (v + 1);
}

/* The weight of the neighbours of each vertex on one side after every set: a vertex reaches only those before it, or
 * only those behind it. `members` and `beyond` get the members that it reaches, and what their neighbours are. */
static void weigh(const Side *side, int k, int up, int64_t kept, const int64_t *inside, int64_t *members, int64_t *beyond,
                  int64_t *result) {
    for (int i = 0; i < k; i++) {
        int v = up ? i : k - 1 - i;
        for (int64_t part = 0; part < (int64_t)1 << i; part++) {
            int64_t gone = up ? part : part << (v + 1), at = place_of(v, gone, k, up);
            int64_t reached = (int64_t)1 << v, neighbours = side->near[v];
            for (int64_t left = neighbours & gone; left; left &= left - 1) {
                int64_t from = place_of(lowest((uint64_t)left), gone, k, up);
                reached |= members[from], neighbours |= beyond[from];
            }
            members[at] = reached, beyond[at] = neighbours;
            result[at] = side->touching[reached] + inside[neighbours & (~gone | kept)];
        }
    }
}

static int hold(PyObject *given, Py_buffer *held, int k, int flags) {
    if (PyObject_GetBuffer(given, held, flags | PyBUF_FORMAT) < 0)
        return -1;
    if (k >= 1 && k <= MOST && held->itemsize == 8 && held->len == 8 * ((int64_t)k << k))
        return 0;
    PyBuffer_Release(held);
    PyErr_SetString(PyExc_ValueError, "a table of prices has another size than expected");
    return -1;
}

/* Whether all prices, and what they are multiplied by, stay far within 64 bits. */
static int is_narrow(int k, const int64_t *local, PyObject *size, const Side *into, const Side *out) {
    double sum = 0, most = 0;
    for (int i = 0; i < k; i++) {
        double one = PyLong_AsDouble(size_of(size, (long)local[i]));
        sum += one, most = one > most ? one : most;
    }
    return 2 * (into->outside + sum) * (out->outside + sum) * most * k < (double)((int64_t)1 << 44);
}

PyObject *fragment_prices(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *fragment, *size, *rows[2], *table, *result = NULL;
    Side into = {.touching = NULL}, out = {.touching = NULL};
    Py_buffer held;
    int64_t local[MOST], own[MOST], *inside = NULL;
    long long kept;
    int adds;
    if (!PyArg_ParseTuple(args, "O!O!O!O!LpO", &PyList_Type, &fragment, &PyList_Type, &size, &PyList_Type, &rows[0],
                          &PyList_Type, &rows[1], &kept, &adds, &table))
        return NULL;
    int k = (int)PyList_Size(fragment);
    if (hold(table, &held, k, PyBUF_CONTIG) < 0)
        return NULL;
    int64_t sets = (int64_t)1 << k, *price = held.buf;
    if (read_numbers(fragment, local, k) < 0 || read_side(&into, k, local, size, rows[0]) < 0 ||
        read_side(&out, k, local, size, rows[1]) < 0)
        goto done;
    if (!is_narrow(k, local, size, &into, &out)) {
        result = Py_NewRef(Py_False);
        goto done;
    }
    inside = calloc(5 * sets, sizeof *inside);
    if (!inside) {
        PyErr_NoMemory();
        goto done;
    }
    int64_t *ins = inside + sets, *outs = ins + sets, *members = outs + sets, *beyond = members + sets;
    add_up(&into, k), add_up(&out, k);
    for (int i = 0; i < k; i++)
        own[i] = PyLong_AsLongLong(size_of(size, (long)local[i]));
    for (int64_t set = 1; set < sets; set++)
        inside[set] = inside[set & (set - 1)] + own[lowest((uint64_t)set)];
    weigh(&into, k, 1, 0, inside, members, beyond, ins);
    weigh(&out, k, 0, kept, inside, members, beyond, outs);
    memset(price, 0, (size_t)k * sets * sizeof *price);
    for (int v = 0; v < k; v++)
        for (int64_t behind = 0; behind < sets; behind += (int64_t)2 << v) {
            int64_t out_of = outs[place_of(v, behind, k, 0)], *to = price + v * sets + behind;
            const int64_t *into_it = ins + ((int64_t)1 << v);
            /* With additions d · (2 · a · c - c - (a - 1)), the last term where v does not stay: `edge_prices.py`. */
            int64_t goes = adds && !(kept >> v & 1), each = own[v] * ((1 + adds) * out_of - goes);
            int64_t once = own[v] * (goes - adds * out_of);
            for (int64_t before = 0; before < (int64_t)1 << v; before++)
                to[before] = each * into_it[before] + once;
        }
    result = Py_NewRef(Py_True);
done:
    free(into.touching), free(out.touching), free(inside);
    PyBuffer_Release(&held);
    return result;
}

/* Fill the least totals of all sets, and the last vertex of each; of equal totals the first vertex wins. */
#define FILL(number, price, best)                                                                                      \
    for (int64_t set = 1; set < sets; set++) {                                                                         \
        int chosen = -1;                                                                                               \
        number least = 0;                                                                                              \
        for (int64_t left = set; left; left &= left - 1) {                                                             \
            int v = lowest((uint64_t)left);                                                                            \
            int64_t before = set ^ (int64_t)1 << v;                                                                    \
            number total = (best)[before] + (price)[v * sets + before];                                                \
            if (chosen < 0 || total < least)                                                                           \
                chosen = v, least = total;                                                                             \
        }                                                                                                              \
        (best)[set] = least, last[set] = (char)chosen;                                                                 \
    }

PyObject *cheapest_order(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *table, *order = NULL;
    Py_buffer held;
    int k;
    if (!PyArg_ParseTuple(args, "iO", &k, &table) || hold(table, &held, k, PyBUF_CONTIG_RO) < 0)
        return NULL;
    int64_t sets = (int64_t)1 << k;
    void *best = calloc(sets, 8);
    char *last = calloc(sets, 1);
    if (!best || !last) {
        PyErr_NoMemory();
        goto done;
    }
    if (held.format && strcmp(held.format, "d") == 0) {
        FILL(double, (const double *)held.buf, (double *)best)
    } else {
        FILL(int64_t, (const int64_t *)held.buf, (int64_t *)best)
    }
    order = PyList_New(k);
    for (int64_t set = sets - 1, place = k - 1; order && set; place--) {
        int v = last[set];
        set ^= (int64_t)1 << v;
        PyList_SetItem(order, (Py_ssize_t)place, PyLong_FromLong(v));
    }
done:
    free(best), free(last);
    PyBuffer_Release(&held);
    return order;
}
