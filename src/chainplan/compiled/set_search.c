/* The types `SetModel` and `SetSearch`: the exact search for Python. */
#include "search.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD
    Model model;
} SetModelObject;

typedef struct {
    PyObject_HEAD
    SetSearch search;
    PyObject *owner;
} SetSearchObject;

static void release(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static void model_dealloc(PyObject *self) {
    model_free(&((SetModelObject *)self)->model);
    release(self);
}

static void search_dealloc(PyObject *self) {
    SetSearchObject *object = (SetSearchObject *)self;
    if (object->owner)
        search_free(&object->search);
    Py_XDECREF(object->owner);
    release(self);
}

/* Read one list of sets; NULL with an exception. */
static uint64_t *read_sets(PyObject *list, int n) {
    int words = words_of(n);
    uint64_t *sets = malloc(((size_t)n * words + 1) * sizeof *sets);
    if (!sets) {
        PyErr_NoMemory();
        return NULL;
    }
    if (PyList_Size(list) != n)
        PyErr_SetString(PyExc_ValueError, "as many sets as sizes are expected");
    for (int v = 0; v < n && !PyErr_Occurred(); v++)
        read_set(PyList_GetItem(list, v), sets + (size_t)v * words, words);
    if (PyErr_Occurred()) {
        free(sets);
        return NULL;
    }
    return sets;
}

static int model_new(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *size, *lists[6], *kept;
    int mixed;
    static char *names[] = {"size", "pred", "succ", "full_pred", "full_succ", "unit_pred", "unit_succ", "kept",
                            "mixed", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OOOOOOOp", names, &PyList_Type, &size, &lists[0], &lists[1],
                                     &lists[2], &lists[3], &lists[4], &lists[5], &kept, &mixed))
        return -1;
    Model *model = &((SetModelObject *)self)->model;
    Py_ssize_t n = PyList_Size(size);
    if (n > 64 * MAX_WORDS || model->size) {
        PyErr_SetString(PyExc_ValueError, "too many vertices, or set up twice");
        return -1;
    }
    Set kept_set;
    uint64_t *sets[6] = {NULL};
    int64_t *sizes = malloc((n + 1) * sizeof *sizes);
    int failed = !sizes || read_numbers(size, sizes, (int)n) < 0 || read_set(kept, kept_set, words_of((int)n)) < 0;
    for (int i = 0; i < 6 && !failed; i++)
        failed = !(sets[i] = read_sets(lists[i], (int)n));
    if (!failed)
        return model_init(model, (int)n, sizes, sets, kept_set, mixed);
    if (!PyErr_Occurred())
        PyErr_NoMemory();
    free(sizes);
    for (int i = 0; i < 6; i++)
        free(sets[i]);
    return -1;
}

static int search_new(PyObject *self, PyObject *args, PyObject *kwargs) {
    SetSearchObject *object = (SetSearchObject *)self;
    PyObject *owner, *whole;
    long long room;
    static char *names[] = {"model", "whole", "room", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOL", names, &owner, &whole, &room))
        return -1;
    destructor dealloc = (destructor)PyType_GetSlot(Py_TYPE(owner), Py_tp_dealloc);
    if (dealloc != model_dealloc || object->owner) {
        PyErr_SetString(PyExc_TypeError, "a SetModel is expected, once");
        return -1;
    }
    Model *model = &((SetModelObject *)owner)->model;
    Set set;
    if (read_set(whole, set, model->words) < 0)
        return -1;
    search_init(&object->search, model, set, room);
    Py_INCREF(owner);
    object->owner = owner;
    return 0;
}

/* A search that is set up, whose model calls `tick` from now on; NULL with an exception. */
static SetSearch *searched(PyObject *self, PyObject *tick) {
    SetSearchObject *object = (SetSearchObject *)self;
    if (!object->owner) {
        PyErr_SetString(PyExc_ValueError, "a search without a model");
        return NULL;
    }
    object->search.model->tick = tick;
    return &object->search;
}

static PyObject *bound(PyObject *self, PyObject *tick) {
    SetSearch *search = searched(self, tick);
    int64_t low = search ? search_bound(search, search->whole) : FAILED;
    return low < 0 ? NULL : PyLong_FromLongLong(low);
}

static PyObject *regroup(PyObject *self, PyObject *args) {
    PyObject *tick;
    int most;
    if (!PyArg_ParseTuple(args, "iO", &most, &tick))
        return NULL;
    SetSearch *search = searched(self, tick);
    if (!search || search_regroup(search, most > MAX_GROUP ? MAX_GROUP : most) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *solve(PyObject *self, PyObject *args) {
    PyObject *tick;
    long long limit, patience;
    if (!PyArg_ParseTuple(args, "LLO", &limit, &patience, &tick))
        return NULL;
    SetSearch *search = searched(self, tick);
    if (!search)
        return NULL;
    search->patience = patience;
    int64_t found = search_whole(search, limit);
    return found == FAILED ? NULL : PyBool_FromLong(found != LARGER_GROUPS_PAY);
}

static PyObject *solved(PyObject *self, void *unused) {
    (void)unused;
    SetSearchObject *object = (SetSearchObject *)self;
    const Known *known = object->owner ? table_find(&object->search.known, object->search.whole) : NULL;
    return PyBool_FromLong(known && known->is_exact);
}

static PyObject *visits(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(((SetSearchObject *)self)->search.visits);
}

static PyObject *order(PyObject *self, PyObject *unused) {
    (void)unused;
    SetSearchObject *object = (SetSearchObject *)self;
    const Known *known = object->owner ? table_find(&object->search.known, object->search.whole) : NULL;
    if (!known || !known->is_exact)
        return PyErr_Format(PyExc_ValueError, "the set is not solved");
    int *vertices = malloc((object->search.model->n + 1) * sizeof *vertices);
    int count = vertices ? search_order(&object->search, object->search.whole, vertices, 0) : -1;
    PyObject *list = count < 0 ? PyErr_NoMemory() : PyList_New(count);
    for (int i = 0; list && i < count; i++)
        PyList_SetItem(list, i, PyLong_FromLong(vertices[i]));
    free(vertices);
    return list;
}

static PyMethodDef METHODS[] = {
    {"bound", bound, METH_O, "bound(tick): the best known lower bound of the whole."},
    {"regroup", regroup, METH_VARARGS, "regroup(most, tick): bound by groups of at most `most` members."},
    {"solve", solve, METH_VARARGS, "solve(limit, patience, tick): search; False after `patience` visits in all."},
    {"order", order, METH_NOARGS, "order(): an optimal order, once the whole is solved."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef FIELDS[] = {
    {"solved", solved, NULL, "Whether the optimum is known.", NULL},
    {"visits", visits, NULL, "How many sets have been visited.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot MODEL_SLOTS[] = {
    {Py_tp_doc, "The prices and bounds of the sets of a graph."},
    {Py_tp_dealloc, (void *)model_dealloc},
    {Py_tp_init, (void *)model_new},
    {0, NULL},
};

PyType_Spec set_model_spec = {
    .name = "chainplan.compiled._core.SetModel",
    .basicsize = sizeof(SetModelObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = MODEL_SLOTS,
};

static PyType_Slot SEARCH_SLOTS[] = {
    {Py_tp_doc, "The search of one connected set."},
    {Py_tp_dealloc, (void *)search_dealloc},
    {Py_tp_init, (void *)search_new},
    {Py_tp_methods, METHODS},
    {Py_tp_getset, FIELDS},
    {0, NULL},
};

PyType_Spec set_search_spec = {
    .name = "chainplan.compiled._core.SetSearch",
    .basicsize = sizeof(SetSearchObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = SEARCH_SLOTS,
};
