/* The type `FlowNetwork`: minimum cuts for Python. */
#include "flow.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD
    Flow flow;
} FlowNetwork;

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    flow_free(&((FlowNetwork *)self)->flow);
    release(self);
    Py_DECREF(type);
}

static int init(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *step, *size;
    static char *names[] = {"step", "size", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!", names, &PyList_Type, &step, &PyList_Type, &size))
        return -1;
    int n = (int)PyList_Size(size), words = words_of(n), failed = -1;
    uint64_t *sets = malloc(((size_t)n * words + 1) * sizeof *sets);
    int64_t *sizes = malloc((n + 1) * sizeof *sizes);
    if (!sets || !sizes) {
        PyErr_NoMemory();
        goto done;
    }
    if (PyList_Size(step) != n) {
        PyErr_SetString(PyExc_ValueError, "as many sets as sizes are expected");
        goto done;
    }
    if (read_numbers(size, sizes, n) < 0)
        goto done;
    for (int v = 0; v < n; v++)
        if (read_set(PyList_GetItem(step, v), sets + (size_t)v * words, words) < 0)
            goto done;
    flow_free(&((FlowNetwork *)self)->flow);
    failed = flow_init(&((FlowNetwork *)self)->flow, n, sets, sizes);
    if (failed)
        PyErr_NoMemory();
done:
    free(sets), free(sizes);
    return failed;
}

/* Tell a Python function of the work. */
static int tell(void *look, int64_t work) {
    PyObject *answer = PyObject_CallFunction((PyObject *)look, "L", (long long)work);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

static PyObject *cut(PyObject *self, PyObject *args) {
    Flow *flow = &((FlowNetwork *)self)->flow;
    PyObject *masks[4], *look, *result = NULL;
    int v, words = flow->words;
    if (!PyArg_ParseTuple(args, "iOOOOO", &v, &masks[0], &masks[1], &masks[2], &masks[3], &look))
        return NULL;
    if (v < 0 || v >= flow->n)
        return PyErr_Format(PyExc_ValueError, "%d is no vertex", v);
    uint64_t *sets = malloc((4 * (size_t)words + 1) * sizeof *sets);
    if (!sets)
        return PyErr_NoMemory();
    for (int i = 0; i < 4; i++)
        if (read_set(masks[i], sets + i * words, words) < 0)
            goto done;
    int64_t value = flow_cut(flow, v, sets, sets + words, sets + 2 * words, sets + 3 * words, tell, look);
    if (value >= 0)
        result = PyLong_FromLongLong(value);
done:
    free(sets);
    return result;
}

static PyMethodDef METHODS[] = {
    {"cut", cut, METH_VARARGS, "cut(v, starts, region, locked, ends, look): the weight of the lightest cut of v."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "A graph of vertices with capacities: FlowNetwork(step, size)."},
    {Py_tp_dealloc, (void *)dealloc},
    {Py_tp_init, (void *)init},
    {Py_tp_methods, METHODS},
    {0, NULL},
};

PyType_Spec flow_network_spec = {
    .name = "chainplan.compiled._core.FlowNetwork",
    .basicsize = sizeof(FlowNetwork),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = SLOTS,
};
