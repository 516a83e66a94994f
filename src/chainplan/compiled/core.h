/* What the routines share: sets of vertices as words of 64 bits, and how sets and lists come in from Python.
 *
 * Only the limited API of Python 3.11 is used, so that one object serves every later version.
 */
#ifndef CHAINPLAN_CORE_H
#define CHAINPLAN_CORE_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>

#if defined(_MSC_VER)
#include <intrin.h>
static inline int lowest(uint64_t word) {
    unsigned long place;
    _BitScanForward64(&place, word);
    return (int)place;
}
#else
static inline int lowest(uint64_t word) { return __builtin_ctzll(word); }
#endif

/* Whether vertex v lies in a set. */
static inline int has(const uint64_t *set, int v) { return (int)(set[v >> 6] >> (v & 63) & 1); }

/* The number of words of a set of n vertices. */
static inline int words_of(int n) { return (n + 63) / 64; }

/* Read a set, which is a non-negative int, into `words` words. Returns -1 and sets an exception on failure. */
int read_set(PyObject *number, uint64_t *set, int words);

/* Read a list of ints of `count` entries. Returns -1 and sets an exception on failure. */
int read_numbers(PyObject *list, int64_t *numbers, int count);

/* The types and functions of the routines, each of which has a file of its own. */
extern PyType_Spec array_call_spec, flow_network_spec, set_model_spec, set_search_spec;
PyObject *least_splits(PyObject *module, PyObject *args);
PyObject *first_split(PyObject *module, PyObject *args);
PyObject *fragment_prices(PyObject *module, PyObject *args);
PyObject *cheapest_order(PyObject *module, PyObject *args);
PyObject *follow_key(PyObject *module, PyObject *args);

#endif
