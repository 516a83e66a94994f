"""What each module of a simulation takes, and the shapes of all modules.

Shapes follow from what modules say, from their neighbours, and from trial calls, in rounds until nothing new is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainplan.errors import ArgumentError
from chainplan.models.modules import ModuleShape, SimulationModule

MODULE_INPUT = "input"
"""The input of a simulation whose modules are a chain."""


def taken(modules: Mapping[str, SimulationModule], takes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return what each module takes, in evaluation order."""
    for name in takes:
        if name not in modules:
            raise ArgumentError(f"takes: '{name}' is no module; expected one of {', '.join(modules)}. Correct it.")
    result, before = dict[str, tuple[str, ...]](), MODULE_INPUT
    for name in modules:
        sources = takes.get(name, (before,))
        if isinstance(sources, str) or not sources:
            raise ArgumentError(f"takes['{name}']: found {sources!r}; expected a list of names. Write ['{before}'].")
        if late := [source for source in sources if source in modules and source not in result]:
            expected = "expected modules that stand before it. Put the modules in evaluation order."
            raise ArgumentError(f"takes['{name}']: found '{late[0]}', which stands behind it; {expected}")
        result[name], before = tuple(sources), name
    return result


def shaped(
    modules: Mapping[str, SimulationModule], takes: Mapping[str, tuple[str, ...]], sizes: dict[str, int]
) -> tuple[dict[str, ModuleShape], dict[str, int]]:
    """Return the shapes of all modules and the sizes of all vertices, from what modules, neighbours and trials say."""
    shapes = {name: module.shape for name, module in modules.items()}
    before = None
    while before != (before := (dict(shapes), dict(sizes))):
        for name, module in modules.items():
            sources = takes[name]
            unknown = [source for source in sources if source not in sizes]
            total = None if unknown else sum(sizes[source] for source in sources)
            shapes[name] = shape = module.tried(ModuleShape(sizes.get(name), total))
            if shape.rows is not None:
                _note(sizes, name, shape.rows, name)
            if shape.cols is not None and len(unknown) == 1:
                rest = sum(sizes[source] for source in sources if source != unknown[0])
                _note(sizes, unknown[0], shape.cols - rest, name)
            elif shape.cols is not None and total is not None and shape.cols != total:
                expected = f"expected {total}, the entries of {', '.join(sources)}. Correct one of them."
                raise ArgumentError(f"modules['{name}']: found {shape.cols} columns; {expected}")
    for name, shape in shapes.items():
        if None in shape or any(source not in sizes for source in takes[name]):
            missing = next((source for source in takes[name] if source not in sizes), name)
            expected = f"expected its shape to be known. Give the module a shape, or pass sizes={{'{missing}': ...}}."
            raise ArgumentError(f"modules['{name}']: found {shape.rows or '?'} x {shape.cols or '?'}; {expected}")
    return shapes, sizes


def _note(sizes: dict[str, int], vertex: str, size: int, by: str) -> None:
    """Note a size, or refuse it where another one is known."""
    if size < 0 or sizes.setdefault(vertex, size) != size:
        found = f"found {max(size, 0)} for the size of '{vertex}'"
        raise ArgumentError(f"modules['{by}']: {found}; expected {sizes.get(vertex, 'more')}. Correct one of them.")
