"""Fingerprints of what was given for a run, by which a later run in another process knows it again.

Arrays are known by their bytes, files by their size and time of change, so that nothing large is read. Functions are
known by their code and by what they refer to: defaults, variables of the functions around them, the objects they are
methods of, and the globals that they name, unless they belong to an installed library. What a function reads from
elsewhere, such as a file or memory of a library, nobody sees.

`pickle` would not do: the bytes of the same function differ from process to process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from copyreg import dispatch_table
from functools import cache, cached_property
from hashlib import blake2b
from os import PathLike, fspath
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np

from chainplan.kernels.storage import HeldValues
from chainplan.values.array_files import ArrayPlace
from chainplan.values.jacobians import is_sparse

Parts = tuple[str, Sequence[object]]
"""What a value is, and the values that it is made of."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def fingerprint(value: object) -> str:
    """The fingerprint of a value, as hexadecimal digits."""
    return _Fingerprints().of(value).hex()


def file_fingerprint(reference: str | PathLike[str]) -> str:
    """The fingerprint of a file, or of all files of a folder; one that only workers see is known by its name alone."""
    place = ArrayPlace.of(fspath(reference))
    path = place.path.absolute()
    try:
        found = [(str(file), file.stat()) for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    except OSError:
        found = []
    return fingerprint((str(path), place.name, [(file, stat.st_size, stat.st_mtime_ns) for file, stat in found]))


class _Fingerprints:
    """The digests of the values met so far by identity, so that each is read once, and circles end."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[bytes, object]] = {}

    def of(self, value: object) -> bytes:
        """The digest of a value, of its kind and the digests of its parts."""
        if isinstance(value, _PLAIN):
            return _digest(type(value).__name__.encode(), repr(value).encode())
        if id(value) not in self._met:
            self._met[id(value)] = b"circle", value
            self._met[id(value)] = self._of_parts(value), value
        return self._met[id(value)][0]

    def _of_parts(self, value: object) -> bytes:
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            entries = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
            return _digest(b"array", f"{value.dtype.str} {value.shape}".encode(), entries)
        if isinstance(value, set | frozenset):
            return _digest(b"set", *sorted(map(self.of, value)))
        kind, parts = next((parts for known, parts in _PARTS.items() if isinstance(value, known)), _object)(value)
        return _digest(kind.encode(), *map(self.of, parts))


def _digest(*parts: bytes | memoryview) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(memoryview(part).nbytes.to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _function(function: FunctionType) -> Parts:
    around = [_content(cell) for cell in function.__closure__ or ()]
    named = [] if _installed(function.__module__) else _globals(function)
    own = function.__module__, function.__qualname__, function.__code__
    return "function", (*own, function.__defaults__, function.__kwdefaults__, around, named)


def _globals(function: FunctionType) -> list[tuple[str, object]]:
    """The globals that a function names, and of modules that are no library what it may take of them."""
    names = _names(function.__code__)
    found, spaces = list[tuple[str, object]](), [function.__globals__]
    for space in spaces:
        there = [(n, space[n]) for n in names if n in space]
        modules = [vars(one) for _, one in there if isinstance(one, ModuleType) and not _installed(one.__name__)]
        spaces += [one for one in modules if not any(one is other for other in spaces)]
        found += there
    return found


def _class(found: type) -> Parts:
    plain = (FunctionType, staticmethod, classmethod, property, *_PLAIN)
    unseen = {"__doc__", "__firstlineno__", "__module__"}
    named = [] if _installed(found.__module__) else sorted(vars(found).keys() - unseen)
    own = [(name, vars(found)[name]) for name in named if isinstance(vars(found)[name], plain)]
    return "class", (found.__module__, found.__qualname__, own)


def _builtin(found: BuiltinFunctionType) -> Parts:
    owner = found.__self__
    return "builtin", (found.__qualname__, owner.__name__ if isinstance(owner, ModuleType) else owner)


def _object(value: HeldValues) -> Parts:
    """What `pickle` would write of an object; of one that cannot be pickled the class alone.

    An array of another library is known by its values, because PyTorch writes addresses in memory.
    """
    if is_sparse(value):
        rows = value.tocsr()
        return "sparse", (rows.shape, rows.indptr, rows.indices, rows.data)
    entries = _entries(value)
    if entries is not None:
        return "array", (type(value), entries)
    try:
        reduced = dispatch_table.get(type(value), _reduced)(value)
    except Exception:
        return "object", (type(value),)
    if isinstance(reduced, str):
        return "name", (type(value), reduced)
    _, args, state, items, pairs = (*reduced, None, None, None)[:5]
    if isinstance(state, dict):
        state = {n: held for n, held in state.items() if not isinstance(getattr(type(value), n, None), cached_property)}
    return "object", (type(value), args, state, list(items or ()), list(pairs or ()))


_PARTS: Mapping[type | tuple[type, ...], Callable[..., Parts]] = {
    np.ndarray: lambda array: ("objects", (array.shape, *array.flat)),
    dict: lambda found: ("dict", [part for item in found.items() for part in item]),
    (list, tuple): lambda found: (type(found).__name__, found),
    FunctionType: _function,
    MethodType: lambda method: ("method", (method.__func__, method.__self__)),
    CodeType: lambda code: ("code", (code.co_code, code.co_names, code.co_freevars, code.co_consts)),
    BuiltinFunctionType: _builtin,
    ModuleType: lambda module: ("module", (module.__name__,)),
    (staticmethod, classmethod): lambda found: ("descriptor", (found.__func__,)),
    property: lambda found: ("property", (found.fget, found.fset)),
    type: _class,
}
"""What values of each kind are made of."""


def _entries(value: HeldValues) -> HeldValues:
    """The entries of an array of another library; None of what is no array that numpy has a dtype for."""
    if isinstance(value, type) or not callable(getattr(value, "__array__", None)):
        return None
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _reduced(value: HeldValues) -> str | tuple[object, ...]:
    reduced: str | tuple[object, ...] = value.__reduce_ex__(4)
    return reduced


@cache
def _installed(name: str | None) -> bool:
    """Say whether a module belongs to Python, to an installed library or to this package, whose version is known."""
    if name is None or name == "__main__":
        return False
    if name.partition(".")[0] in (__name__.partition(".")[0], *sys.stdlib_module_names):
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _names(code: CodeType) -> list[str]:
    """The names that code and the code within it look up."""
    within = [_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)]
    return list(dict.fromkeys([*code.co_names, *(name for names in within for name in names)]))


def _content(cell: CellType) -> object:
    """What a cell holds; an empty one holds nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
