"""What a function reads beside its arguments: closures, defaults, globals and modules, as far as they can be followed.

A graph holds the tensors that a function read while it was traced, so that their new values are seen; a tensor, or a
number, that takes the place of another is not. So what the function reads is written down, and compared at each call.
Attributes of objects other than `torch.nn.Module` are not followed.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from chainplan.torch.types import Value

MAX_FOLLOWED = 10_000
"""The most values that are written down of a function."""

PLAIN_KINDS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
"""Kinds of values that cannot change, and are compared by value."""
FOLLOWED_KINDS = (types.FunctionType, torch.nn.Module)
"""Kinds of arguments that hold values which are compared."""


def surroundings(f: object) -> Callable[[], bool]:
    """Return what says whether a function still reads what it reads now."""
    pairs = [(read, read()) for read, _ in _reads(f)]
    same = [(read, value) for read, value in pairs if not isinstance(value, PLAIN_KINDS)]
    equal = [(read, told_apart(value)) for read, value in pairs if isinstance(value, PLAIN_KINDS)]

    def unchanged() -> bool:
        for read, value in same:
            if read() is not value:
                return False
        return all(type(now := told_apart(read())) is type(value) and now == value for read, value in equal)

    return unchanged


def told_apart(value: Value) -> Value:
    """Return a plain value, a number with a point as its text: 0.0 equals -0.0, and nan is not equal to itself."""
    return (type(value), repr(value)) if isinstance(value, float | complex) else value


_Read = Callable[[], Value]


def _reads(f: object) -> Iterator[tuple[_Read, Value]]:
    """Yield what reads each value again, with the value."""
    seen: set[int] = set()
    todo: list[Value] = [f]
    count = 0
    while todo and count < MAX_FOLLOWED:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for read in _parts(holder):
            value = _attempt(read)
            count += 1
            yield functools.partial(_attempt, read), value
            if not isinstance(value, (*PLAIN_KINDS, Tensor)):
                todo.append(value)


_MISSING = object()


def _attempt(read: _Read) -> Value:
    """Read a value; a name that is no longer there has none."""
    try:
        return read()
    except (AttributeError, KeyError, IndexError, ValueError, NameError):
        return _MISSING


def _parts(holder: Value) -> Iterator[_Read]:
    """Yield what reads the values that a function, a module or a container holds."""
    if isinstance(holder, types.FunctionType):
        yield from _of_function(holder)
    elif isinstance(holder, types.MethodType):
        yield lambda: holder.__self__
        yield lambda: holder.__func__
    elif isinstance(holder, functools.partial):
        yield lambda: holder.func
        yield lambda: holder.args
        yield lambda: holder.keywords
    elif isinstance(holder, torch.nn.Module):
        yield from _of_module(holder)
    elif type(holder) in (list, tuple):
        yield lambda: len(holder)
        yield from (functools.partial(holder.__getitem__, i) for i in range(len(holder)))
    elif type(holder) is dict:
        yield lambda: len(holder)
        yield from (functools.partial(holder.__getitem__, key) for key in holder)


def _of_function(f: types.FunctionType) -> Iterator[_Read]:
    """Yield what reads the cells, the defaults and the globals of a function that is not of PyTorch's own."""
    if (f.__module__ or "").partition(".")[0] in ("torch", "numpy", "math"):
        return
    yield lambda: f.__code__
    yield lambda: f.__defaults__
    for cell in f.__closure__ or ():
        yield functools.partial(getattr, cell, "cell_contents")
    for name in _names(f.__code__):
        if name in f.__globals__:
            yield functools.partial(f.__globals__.__getitem__, name)
    wrapped = getattr(f, "__wrapped__", None)
    if wrapped is not None:
        yield lambda: f.__dict__["__wrapped__"]


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a piece of code, and those inside it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _of_module(module: torch.nn.Module) -> Iterator[_Read]:
    """Yield what reads the tensors, the parts and the plain settings of a module, and whether it is in training."""
    for table in (module._parameters, module._buffers, module._modules):
        yield functools.partial(len, table)
        yield from (functools.partial(table.__getitem__, name) for name in table)
    own = vars(module)
    for name, value in own.items():
        if isinstance(value, (*PLAIN_KINDS, Tensor, list, tuple)) and not name.startswith("_"):
            yield functools.partial(own.__getitem__, name)
    yield lambda: type(module).forward
