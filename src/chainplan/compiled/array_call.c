/* The type `ArrayCall`: a function of C that takes all its arrays by one pointer, called on arrays of Python. */
#include "core.h"

typedef struct {
    PyObject_HEAD
    void (*run)(double *const *arrays);
    PyObject *dtype_word, *dtype; /* the name of the attribute and what it has to be */
    PyObject *makers;             /* for each output what makes a new array */
    int inputs, outputs;
    Py_ssize_t *shapes; /* of each input the number of axes and the lengths */
} ArrayCall;

static void dealloc(PyObject *self) {
    ArrayCall *call = (ArrayCall *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    Py_XDECREF(call->dtype_word);
    Py_XDECREF(call->dtype);
    Py_XDECREF(call->makers);
    PyMem_Free(call->shapes);
    release(self);
    Py_DECREF(type);
}

/* Read the shapes of the inputs, one behind the other. */
static int read_shapes(ArrayCall *call, PyObject *shapes) {
    Py_ssize_t room = 1;
    for (int k = 0; k < call->inputs; k++) {
        PyObject *shape = PyTuple_GetItem(shapes, k);
        if (!PyTuple_Check(shape)) {
            PyErr_SetString(PyExc_TypeError, "a shape is a tuple");
            return -1;
        }
        room += 1 + PyTuple_Size(shape);
    }
    Py_ssize_t *next = call->shapes = PyMem_Malloc(room * sizeof *next);
    if (!next) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < call->inputs; k++) {
        PyObject *shape = PyTuple_GetItem(shapes, k);
        *next++ = PyTuple_Size(shape);
        for (Py_ssize_t axis = 0; axis < PyTuple_Size(shape); axis++) {
            *next = PyLong_AsSsize_t(PyTuple_GetItem(shape, axis));
            if (*next++ == -1 && PyErr_Occurred())
                return -1;
        }
    }
    return 0;
}

static int init(PyObject *self, PyObject *args, PyObject *kwargs) {
    ArrayCall *call = (ArrayCall *)self;
    PyObject *dtype, *shapes, *makers;
    unsigned long long address;
    static char *names[] = {"address", "dtype", "shapes", "makers", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KOO!O!", names, &address, &dtype, &PyTuple_Type, &shapes,
                                     &PyTuple_Type, &makers))
        return -1;
    if (call->run || !address) {
        PyErr_SetString(PyExc_ValueError, "the address of a function is expected, once");
        return -1;
    }
    call->inputs = (int)PyTuple_Size(shapes), call->outputs = (int)PyTuple_Size(makers);
    call->dtype_word = PyUnicode_InternFromString("dtype");
    if (!call->dtype_word || read_shapes(call, shapes) < 0)
        return -1;
    call->dtype = Py_NewRef(dtype), call->makers = Py_NewRef(makers);
    call->run = (void (*)(double *const *))(uintptr_t)address;
    return 0;
}

/* Say whether an array has this type and shape and lies in memory in this order; then it is held. -1 on failure. */
static int held(const ArrayCall *call, PyObject *array, const Py_ssize_t *shape, Py_buffer *view) {
    PyObject *dtype = PyObject_GetAttr(array, call->dtype_word);
    Py_XDECREF(dtype);
    if (dtype && dtype != call->dtype)
        return 0;
    if (!dtype || PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_BufferError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    int fits = view->ndim == shape[0];
    for (int axis = 0; fits && axis < view->ndim; axis++)
        fits = view->shape[axis] == shape[1 + axis];
    if (!fits)
        PyBuffer_Release(view);
    return fits;
}

static PyObject *call_on(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    ArrayCall *call = (ArrayCall *)self;
    if (!call->run || count != call->inputs)
        Py_RETURN_NONE;
    int total = call->inputs + call->outputs, views = 0, fits = 1;
    PyObject *result = NULL;
    double **arrays = PyMem_Malloc(total * sizeof *arrays + 1);
    Py_buffer *view = PyMem_Malloc(total * sizeof *view + 1);
    if (!arrays || !view) {
        PyErr_NoMemory();
        goto done;
    }
    const Py_ssize_t *shape = call->shapes;
    for (; views < call->inputs; shape += 1 + shape[0], views++) {
        fits = held(call, args[views], shape, &view[views]);
        if (fits <= 0)
            goto done;
    }
    PyObject *made = PyTuple_New(call->outputs);
    if (!made)
        goto done;
    for (int k = 0; k < call->outputs; k++) {
        PyObject *output = PyObject_CallNoArgs(PyTuple_GetItem(call->makers, k));
        if (!output || PyTuple_SetItem(made, k, output) < 0 ||
            PyObject_GetBuffer(output, &view[views], PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) < 0) {
            Py_DECREF(made);
            goto done;
        }
        views++;
    }
    for (int k = 0; k < total; k++)
        arrays[k] = view[k].buf;
    result = made;
    Py_BEGIN_ALLOW_THREADS;
    call->run(arrays);
    Py_END_ALLOW_THREADS;
done:
    for (int k = 0; k < views; k++)
        PyBuffer_Release(&view[k]);
    PyMem_Free(view);
    PyMem_Free(arrays);
    return fits ? result : Py_NewRef(Py_None);
}

static PyMethodDef METHODS[] = {
    {"on", (PyCFunction)(void (*)(void))call_on, METH_FASTCALL,
     "on(*inputs): the outputs, new arrays; None where an input has another type, shape or order than expected."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "A function of arrays: ArrayCall(address, dtype, shapes, makers)."},
    {Py_tp_dealloc, (void *)dealloc},
    {Py_tp_init, (void *)init},
    {Py_tp_methods, METHODS},
    {0, NULL},
};

PyType_Spec array_call_spec = {
    .name = "chainplan.compiled._core.ArrayCall",
    .basicsize = sizeof(ArrayCall),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = SLOTS,
};
