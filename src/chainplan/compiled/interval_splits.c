/* The cheapest split of every interval of one length: what `DensePriceTable` and `IntervalProducts` do in numpy.
 *
 * Tables are arrays of (q + 1) x (q + 1) numbers. Those by start hold the interval (i, i + t) at [i, t], those by end hold
 * (j - t, j) at [j, q - t], so that the splits of an interval are neighbours in all of them.
 */
#include "core.h"

enum { BY_START, BY_END, COLUMN, NNZ, UNEVEN_NNZ, ROW, LOWER, UPPER, SIZES, BEST, TABLES };

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The entries of line t of a band whose lines have `size` cells, with so many below and above the diagonal. */
static int64_t line(int64_t t, int64_t size, int64_t below, int64_t above) {
    return most(0, least(size - 1, t + below) - most(0, t - above) + 1);
}

/* The fma of a product of two bands, m x k and k x n, as `band_products_fma` counts it. */
static int64_t bands(int64_t m, int64_t k, int64_t n, const int64_t left[2], const int64_t right[2]) {
    int64_t cuts[8] = {0,     k,           m - 1 - left[0],      left[1],
                       m + left[1], n - 1 - right[1], right[0], n + right[0]};
    int64_t sum = 0;
    for (int i = 2; i < 8; i++) {
        int64_t cut = most(0, least(k, cuts[i]));
        int at = i;
        for (; at > 0 && cuts[at - 1] > cut; at--)
            cuts[at] = cuts[at - 1];
        cuts[at] = cut;
    }
    for (int i = 0; i < 7; i++) {
        int64_t t = cuts[i], length = cuts[i + 1] - t;
        if (!length)
            continue;
        int64_t a = line(t, m, left[0], left[1]), c = line(t, n, right[1], right[0]);
        int64_t b = line(t + 1, m, left[0], left[1]) - a, d = line(t + 1, n, right[1], right[0]) - c;
        if (length == 1)
            sum += a * c;
        else
            sum += length * a * c + (a * d + b * c) * (length * (length - 1) / 2) +
                   b * d * ((length - 1) * length * (2 * length - 1) / 6);
    }
    return sum;
}

/* An interval (i, i + d), and the rows of the tables in which its splits are neighbours. Longer intervals than
 * `not_dense` are dense, and longer ones than `band` are no bands. */
typedef struct {
    int64_t *const *table;
    Py_ssize_t wide, i, d, not_dense, band;
    const int64_t *start, *nnz, *row, *end, *column, *uneven, *size;
} Interval;

static void go_to(Interval *at, Py_ssize_t i, Py_ssize_t d) {
    Py_ssize_t ahead = i * at->wide, back = (i + d) * at->wide + at->wide - 1 - d;
    at->i = i, at->d = d, at->size = at->table[SIZES] + i;
    at->start = at->table[BY_START] + ahead, at->nnz = at->table[NNZ] + ahead, at->row = at->table[ROW] + ahead;
    at->end = at->table[BY_END] + back, at->column = at->table[COLUMN] + back, at->uneven = at->table[UNEVEN_NNZ] + back;
}

/* The price of the last product at split t, whose factors may both be bands. */
static int64_t uneven_product(const Interval *at, Py_ssize_t t) {
    int64_t *const *table = at->table;
    Py_ssize_t right = at->i * at->wide + t, left = (at->i + t) * at->wide + at->d - t;
    if (table[LOWER][left] < 0 || table[LOWER][right] < 0)
        return at->column[t] * at->nnz[t] + at->uneven[t] * at->row[t];
    int64_t one[2] = {table[LOWER][left], table[UPPER][left]};
    int64_t other[2] = {table[LOWER][right], table[UPPER][right]};
    return bands(at->size[at->d], at->size[t], at->size[0], one, other);
}

/* The least price of a split. */
static int64_t least_price(const Interval *at) {
    const int64_t *start = at->start, *end = at->end, *nnz = at->nnz, *column = at->column, *size = at->size;
    int64_t best = INT64_MAX, ends = size[0] * size[at->d];
    Py_ssize_t t = 1, even = at->d - at->band, dense = at->d - at->not_dense;
    for (; t < even && t <= at->not_dense; t++)
        best = least(best, start[t] + end[t] + column[t] * nnz[t]);
    for (; t < dense; t++)
        best = least(best, start[t] + end[t] + size[t] * ends);
    for (; t < even; t++)
        best = least(best, start[t] + end[t] + column[t] * nnz[t]);
    for (; t < at->d; t++) {
        int64_t price = start[t] + end[t];
        if (price < best)
            best = least(best, price + uneven_product(at, t));
    }
    return best;
}

/* The tables that Python passes, of which the last is written to. */
typedef struct {
    Py_buffer held[TABLES];
    int64_t *table[TABLES];
    int count;
} Tables;

static void release(Tables *tables) {
    while (tables->count)
        PyBuffer_Release(&tables->held[--tables->count]);
}

/* Hold the `count` tables of a tuple. Returns -1 and sets an exception on failure. */
static int hold(Tables *tables, PyObject *given, int count, Py_ssize_t q, Py_ssize_t i, Py_ssize_t d) {
    tables->count = 0;
    if (PyTuple_Size(given) != count || i < 0 || d < 2 || i + d > q) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "found other tables, or another interval, than expected");
        return -1;
    }
    for (int k = 0; k < count; k++) {
        Py_ssize_t wanted = k == SIZES ? q + 1 : k == BEST ? q - d + 1 : (q + 1) * (q + 1);
        Py_buffer *held = &tables->held[k];
        if (PyObject_GetBuffer(PyTuple_GetItem(given, k), held, k == BEST ? PyBUF_CONTIG : PyBUF_CONTIG_RO) < 0)
            break;
        tables->count++;
        tables->table[k] = held->buf;
        if (held->itemsize != 8 || held->len != 8 * wanted) {
            PyErr_SetString(PyExc_ValueError, "a table has another size than expected");
            break;
        }
    }
    if (!PyErr_Occurred())
        return 0;
    release(tables);
    return -1;
}

PyObject *least_splits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given;
    Tables tables;
    Py_ssize_t q, d;
    Interval at;
    if (!PyArg_ParseTuple(args, "nnnnO!", &q, &d, &at.not_dense, &at.band, &PyTuple_Type, &given) ||
        hold(&tables, given, TABLES, q, 0, d) < 0)
        return NULL;
    at.table = tables.table, at.wide = q + 1;
    for (Py_ssize_t i = 0; i + d <= q; i++) {
        go_to(&at, i, d);
        tables.table[BEST][i] = least_price(&at);
    }
    release(&tables);
    return Py_NewRef(Py_None);
}

PyObject *first_split(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given;
    Tables tables;
    Py_ssize_t q, i, d, t = 1;
    long long price;
    Interval at;
    if (!PyArg_ParseTuple(args, "nnnnnLO!", &q, &i, &d, &at.not_dense, &at.band, &price, &PyTuple_Type, &given) ||
        hold(&tables, given, BEST, q, i, d) < 0)
        return NULL;
    at.table = tables.table, at.wide = q + 1;
    go_to(&at, i, d);
    for (; t < d; t++) {
        int64_t product = t < d - at.band ? at.column[t] * at.nnz[t] : uneven_product(&at, t);
        if (at.start[t] + at.end[t] + product == price)
            break;
    }
    release(&tables);
    return PyLong_FromSsize_t(t);
}
