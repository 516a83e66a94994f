/* The type `ArrayCall`: a function of C that takes all its arrays by one pointer, called on arrays of numpy.
 *
 * numpy is imported when the first of them is made, so that the other routines do without it.
 */
#include "core.h"

#define NPY_NO_DEPRECATED_API NPY_1_25_API_VERSION
#define NPY_TARGET_VERSION NPY_1_25_API_VERSION
#include <numpy/arrayobject.h>

#define FEW_ARRAYS 16

typedef struct {
    PyObject_HEAD
    void (*run)(double *const *arrays);
    int inputs, outputs, releases;
    npy_intp *shapes; /* of each array the number of axes and the lengths */
} ArrayCall;

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyMem_Free(((ArrayCall *)self)->shapes);
    release(self);
    Py_DECREF(type);
}

/* Read the shapes of inputs or outputs, one behind the other. */
static npy_intp *read_shapes(npy_intp *next, PyObject *shapes) {
    for (Py_ssize_t k = 0; k < PyTuple_Size(shapes); k++) {
        PyObject *shape = PyTuple_GetItem(shapes, k);
        *next++ = PyTuple_Size(shape);
        for (Py_ssize_t axis = 0; axis < PyTuple_Size(shape); axis++) {
            *next = PyLong_AsSsize_t(PyTuple_GetItem(shape, axis));
            if (*next++ == -1 && PyErr_Occurred())
                return NULL;
        }
    }
    return next;
}

/* Return how many numbers `read_shapes` writes, -1 where these are no shapes. */
static Py_ssize_t room_of(PyObject *shapes) {
    Py_ssize_t room = 0;
    for (Py_ssize_t k = 0; k < PyTuple_Size(shapes); k++) {
        PyObject *shape = PyTuple_GetItem(shapes, k);
        if (!PyTuple_Check(shape)) {
            PyErr_SetString(PyExc_TypeError, "a shape is a tuple");
            return -1;
        }
        room += 1 + PyTuple_Size(shape);
    }
    return room;
}

static int init(PyObject *self, PyObject *args, PyObject *kwargs) {
    ArrayCall *call = (ArrayCall *)self;
    PyObject *inputs, *outputs;
    unsigned long long address;
    int releases;
    static char *names[] = {"address", "inputs", "outputs", "releases", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KO!O!p", names, &address, &PyTuple_Type, &inputs, &PyTuple_Type,
                                     &outputs, &releases))
        return -1;
    if (call->shapes || !address) {
        PyErr_SetString(PyExc_ValueError, "the address of a function is expected, once");
        return -1;
    }
    if (!PyArray_API && _import_array() < 0)
        return -1;
    Py_ssize_t into = room_of(inputs), out = room_of(outputs);
    if (into < 0 || out < 0)
        return -1;
    call->shapes = PyMem_Malloc((into + out + 1) * sizeof *call->shapes);
    if (!call->shapes) {
        PyErr_NoMemory();
        return -1;
    }
    npy_intp *next = read_shapes(call->shapes, inputs);
    if (!next || !read_shapes(next, outputs))
        return -1;
    call->inputs = (int)PyTuple_Size(inputs), call->outputs = (int)PyTuple_Size(outputs), call->releases = releases;
    call->run = (void (*)(double *const *))(uintptr_t)address;
    return 0;
}

/* Find the data of the inputs, and where the shapes of the outputs are; NULL where an input is not as expected. */
static const npy_intp *read_inputs(const ArrayCall *call, PyObject *args, double **arrays) {
    const npy_intp *shape = call->shapes;
    if (PyTuple_Size(args) != call->inputs)
        return NULL;
    for (int k = 0; k < call->inputs; shape += 1 + shape[0], k++) {
        PyArrayObject *array = (PyArrayObject *)PyTuple_GetItem(args, k);
        if (!PyArray_CheckExact((PyObject *)array) || PyArray_TYPE(array) != NPY_DOUBLE ||
            !PyArray_ISCARRAY_RO(array) || PyArray_NDIM(array) != shape[0])
            return NULL;
        for (int axis = 0; axis < shape[0]; axis++)
            if (PyArray_DIM(array, axis) != shape[1 + axis])
                return NULL;
        arrays[k] = PyArray_DATA(array);
    }
    return shape;
}

/* Compute new arrays: a tuple of them, or the array itself where there is one. */
static PyObject *outputs_of(const ArrayCall *call, const npy_intp *shape, double **arrays) {
    PyObject *made = PyTuple_New(call->outputs), *output = NULL;
    for (int k = 0; made && k < call->outputs; shape += 1 + shape[0], k++) {
        output = PyArray_ZEROS((int)shape[0], shape + 1, NPY_DOUBLE, 0);
        if (!output || PyTuple_SetItem(made, k, output) < 0) {
            Py_DECREF(made);
            return NULL;
        }
        arrays[call->inputs + k] = PyArray_DATA((PyArrayObject *)output);
    }
    if (!made)
        return NULL;
    if (call->releases) {
        Py_BEGIN_ALLOW_THREADS;
        call->run(arrays);
        Py_END_ALLOW_THREADS;
    } else
        call->run(arrays);
    if (call->outputs != 1)
        return made;
    Py_INCREF(output);
    Py_DECREF(made);
    return output;
}

/* Call the function on a tuple of inputs; on what `fitted` of the object makes of them, where they do not fit. */
static PyObject *called(PyObject *self, PyObject *args, PyObject *kwargs) {
    ArrayCall *call = (ArrayCall *)self;
    if (!call->run || (kwargs && PyDict_Size(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "arrays are expected by position, and a function to call");
        return NULL;
    }
    double *few[FEW_ARRAYS], **arrays = few;
    if (call->inputs + call->outputs > FEW_ARRAYS) {
        arrays = PyMem_Malloc((call->inputs + call->outputs) * sizeof *arrays);
        if (!arrays)
            return PyErr_NoMemory();
    }
    PyObject *fitted = NULL, *result = NULL;
    const npy_intp *shape = read_inputs(call, args, arrays);
    if (!shape) {
        PyObject *method = PyObject_GetAttrString(self, "fitted");
        fitted = method ? PyObject_CallObject(method, args) : NULL;
        Py_XDECREF(method);
        if (fitted && (!PyTuple_Check(fitted) || !(shape = read_inputs(call, fitted, arrays))))
            PyErr_SetString(PyExc_TypeError, "fitted: a tuple of arrays of these shapes is expected");
    }
    if (shape)
        result = outputs_of(call, shape, arrays);
    Py_XDECREF(fitted);
    if (arrays != few)
        PyMem_Free(arrays);
    return result;
}

static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "A function of arrays, which subclasses give a method `fitted` that makes inputs fit: "
                "ArrayCall(address, inputs, outputs, releases) of their shapes, and whether the GIL is released."},
    {Py_tp_dealloc, (void *)dealloc},
    {Py_tp_init, (void *)init},
    {Py_tp_call, (void *)called},
    {0, NULL},
};

PyType_Spec array_call_spec = {
    .name = "chainplan.compiled._core.ArrayCall",
    .basicsize = sizeof(ArrayCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};
