/* The cheapest order of a few vertices over all their subsets: what `subset_dp` does in numpy for dense blocks. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 20 };

/* The neighbours of a fragment on one side: those within it, and the weight of the outside ones by what they touch. */
typedef struct {
    int64_t near[MOST], *touching;
} Side;

/* Read the sets of neighbours, and make a table of the weight of the outside vertices that touch each set. */
static int read_side(Side *side, int k, PyObject *near, PyObject *masks, PyObject *weights) {
    int64_t sets = (int64_t)1 << k, total = 0;
    int count = (int)PyList_Size(masks), failed = -1;
    int64_t *given = malloc((2 * (size_t)count + 1) * sizeof *given), *table = calloc(2 * sets, sizeof *table);
    side->touching = table;
    if (!given || !table) {
        PyErr_NoMemory();
        goto done;
    }
    if (read_numbers(near, side->near, k) < 0 || read_numbers(masks, given, count) < 0 ||
        read_numbers(weights, given + count, count) < 0)
        goto done;
    int64_t *within = table + sets;
    for (int i = 0; i < count; i++)
        within[given[i] & (sets - 1)] += given[count + i], total += given[count + i];
    for (int i = 0; i < k; i++)
        for (int64_t set = 0; set < sets; set++)
            if (set >> i & 1)
                within[set] += within[set ^ (int64_t)1 << i];
    for (int64_t set = 0; set < sets; set++)
        table[set] = total - within[sets - 1 - set];
    failed = 0;
done:
    free(given);
    return failed;
}

/* The weight of the neighbours of v on one side when a set is gone, 0 if v is in it; `reached` and `beyond` are those of the vertices
 * before v on this side, and get those of v: the members that it reaches, and what their neighbours are. */
static int64_t weight(const Side *side, int v, int64_t gone, int64_t stays, const int64_t *inside, int64_t *reached,
                      int64_t *beyond) {
    int64_t members = (int64_t)1 << v, neighbours = side->near[v];
    for (int64_t left = side->near[v] & gone; left; left &= left - 1) {
        int u = lowest((uint64_t)left);
        members |= reached[u], neighbours |= beyond[u];
    }
    reached[v] = members, beyond[v] = neighbours;
    if (gone >> v & 1)
        return 0;
    return side->touching[members] + inside[neighbours & stays];
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

PyObject *fragment_prices(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *sizes, *given[6], *table, *result = NULL;
    Side into = {.touching = NULL}, out = {.touching = NULL};
    Py_buffer held;
    int64_t size[MOST], members[MOST], beyond[MOST], *inside = NULL;
    long long kept;
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!O!O!LO", &PyList_Type, &sizes, &PyList_Type, &given[0], &PyList_Type, &given[1],
                          &PyList_Type, &given[2], &PyList_Type, &given[3], &PyList_Type, &given[4], &PyList_Type, &given[5],
                          &kept, &table))
        return NULL;
    int k = (int)PyList_Size(sizes);
    if (hold(table, &held, k, PyBUF_CONTIG) < 0)
        return NULL;
    int64_t sets = (int64_t)1 << k, *price = held.buf;
    if (read_numbers(sizes, size, k) < 0 || read_side(&into, k, given[0], given[1], given[2]) < 0 ||
        read_side(&out, k, given[3], given[4], given[5]) < 0)
        goto done;
    inside = calloc(sets, sizeof *inside);
    if (!inside) {
        PyErr_NoMemory();
        goto done;
    }
    for (int64_t set = 1; set < sets; set++)
        inside[set] = inside[set & (set - 1)] + size[lowest((uint64_t)set)];
    for (int64_t gone = 0; gone < sets; gone++) {
        for (int v = 0; v < k; v++)
            price[v * sets + gone] = size[v] * weight(&into, v, gone, ~gone, inside, members, beyond);
        for (int v = k - 1; v >= 0; v--)
            price[v * sets + gone] *= weight(&out, v, gone, ~gone | kept, inside, members, beyond);
    }
    result = Py_NewRef(Py_None);
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
