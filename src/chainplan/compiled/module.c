/* The module `chainplan.compiled._core`: it gathers the types of the routines and reads what Python passes. */
#include "core.h"

#include <string.h>

int read_set(PyObject *number, uint64_t *set, int words) {
    PyObject *bytes = PyObject_CallMethod(number, "to_bytes", "ns", (Py_ssize_t)words * 8, "little");
    if (!bytes)
        return -1;
    const unsigned char *byte = (const unsigned char *)PyBytes_AsString(bytes);
    for (int i = 0; i < words; i++) {
        uint64_t word = 0;
        for (int k = 7; k >= 0; k--)
            word = word << 8 | byte[8 * i + k];
        set[i] = word;
    }
    Py_DECREF(bytes);
    return 0;
}

int read_numbers(PyObject *list, int64_t *numbers, int count) {
    if (PyList_Size(list) != count) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a list has another length than expected");
        return -1;
    }
    for (int i = 0; i < count; i++) {
        numbers[i] = PyLong_AsLongLong(PyList_GetItem(list, i));
        if (numbers[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

/* Add a type to the module under the last part of its name. */
static int add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type)
        return -1;
    int failed = PyModule_AddObjectRef(module, strrchr(spec->name, '.') + 1, type);
    Py_DECREF(type);
    return failed;
}

static PyMethodDef FUNCTIONS[] = {
    {"least_splits", least_splits, METH_VARARGS,
     "least_splits(q, d, longest_not_dense, longest_band, tables): the least prices of all intervals of length d."},
    {"first_split", first_split, METH_VARARGS,
     "first_split(q, i, d, longest_not_dense, longest_band, price, tables): the first split of that price, beyond i."},
    {"fragment_prices", fragment_prices, METH_VARARGS,
     "fragment_prices(local, size, into, out, kept, adds, prices): fill in the prices after every subset, if they are small."},
    {"cheapest_order", cheapest_order, METH_VARARGS,
     "cheapest_order(k, prices): the order of k vertices of the least total price."},
    {"follow_key", follow_key, METH_VARARGS,
     "follow_key(size, into, kept, middle, key, ranks, base, factor, most, local, adds, work, tick): a price and an order."},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) {
    PyType_Spec *specs[] = {&array_call_spec, &flow_network_spec, &set_model_spec, &set_search_spec};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        if (add_type(module, specs[i]) < 0)
            return -1;
    return PyModule_AddFunctions(module, FUNCTIONS);
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};

static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "chainplan.compiled._core",
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&MODULE); }
