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

/* The least price of a split of the interval (i, i + d). Longer intervals than `longest[0]` are dense, and longer ones
 * than `longest[1]` are no bands. */
static int64_t split(int64_t *const table[], int64_t q, int64_t i, int64_t d, const int64_t longest[2]) {
    int64_t wide = q + 1, j = i + d, back = j * wide + q - d, best = INT64_MAX, t = 1;
    const int64_t *start = table[BY_START] + i * wide, *nnz = table[NNZ] + i * wide, *row = table[ROW] + i * wide;
    const int64_t *end = table[BY_END] + back, *column = table[COLUMN] + back, *uneven = table[UNEVEN_NNZ] + back;
    const int64_t *size = table[SIZES] + i, ends = size[0] * size[d];
    int64_t even = d - longest[1], dense = d - longest[0];
    for (; t < even && t <= longest[0]; t++)
        best = least(best, start[t] + end[t] + column[t] * nnz[t]);
    for (; t < dense; t++)
        best = least(best, start[t] + end[t] + size[t] * ends);
    for (; t < even; t++)
        best = least(best, start[t] + end[t] + column[t] * nnz[t]);
    for (; t < d; t++) {
        int64_t price = start[t] + end[t], right = i * wide + t, left = (i + t) * wide + d - t;
        if (price >= best)
            continue;
        if (table[LOWER][left] >= 0 && table[LOWER][right] >= 0) {
            int64_t one[2] = {table[LOWER][left], table[UPPER][left]};
            int64_t other[2] = {table[LOWER][right], table[UPPER][right]};
            price += bands(size[d], size[t], size[0], one, other);
        } else
            price += column[t] * nnz[t] + uneven[t] * row[t];
        best = least(best, price);
    }
    return best;
}

PyObject *least_splits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given[TABLES], *result = NULL;
    Py_buffer held[TABLES];
    int64_t *table[TABLES];
    Py_ssize_t q, d, not_dense, band;
    int count = 0;
    if (!PyArg_ParseTuple(args, "nnnnOOOOOOOOOO", &q, &d, &not_dense, &band, given, given + 1, given + 2, given + 3, given + 4,
                          given + 5, given + 6, given + 7, given + 8, given + 9))
        return NULL;
    for (; count < TABLES; count++) {
        Py_ssize_t wanted = count == SIZES ? q + 1 : count == BEST ? q - d + 1 : (q + 1) * (q + 1);
        if (PyObject_GetBuffer(given[count], &held[count], count == BEST ? PyBUF_CONTIG : PyBUF_CONTIG_RO) < 0)
            goto done;
        table[count] = held[count].buf;
        if (d < 2 || d > q || held[count].itemsize != 8 || held[count].len != 8 * wanted) {
            count++;
            PyErr_SetString(PyExc_ValueError, "a table has another size than expected");
            goto done;
        }
    }
    const int64_t longest[2] = {not_dense, band};
    for (Py_ssize_t i = 0; i + d <= q; i++)
        table[BEST][i] = split(table, q, i, d, longest);
    result = Py_NewRef(Py_None);
done:
    while (count--)
        PyBuffer_Release(&held[count]);
    return result;
}
