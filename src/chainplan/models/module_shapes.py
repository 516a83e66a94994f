"""What each module of a simulation takes, and the shapes of all modules.

Shapes follow from what modules say, from their neighbours, and from trial calls, in rounds until nothing new is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainplan.errors import ArgumentError
from chainplan.errors.arguments import expect, refuse, whole
from chainplan.models.modules import ModuleShape, SimulationModule

MODULE_INPUT = "input"
"""The input of a simulation whose modules are a chain."""


def taken(modules: Mapping[str, SimulationModule], takes: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return what each module takes, in evaluation order."""
    expect("takes", takes, Mapping, "a mapping from modules to lists of names", "Pass {'flow': ['input']}.")
    for name in takes:
        if name not in modules:
            raise ArgumentError(f"takes: '{name}' is no module; expected one of {', '.join(modules)}. Correct it.")
    result, before = dict[str, tuple[str, ...]](), MODULE_INPUT
    for name in modules:
        sources = names(f"takes['{name}']", takes.get(name, (before,)))
        if not sources:
            raise ArgumentError(f"takes['{name}']: found none; expected a list of names. Write ['{before}'].")
        if late := [source for source in sources if source in modules and source not in result]:
            expected = "expected modules that stand before it. Put the modules in evaluation order."
            raise ArgumentError(f"takes['{name}']: found '{late[0]}', which stands behind it; {expected}")
        result[name], before = sources, name
    return result


def names(what: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return some names, or refuse what is no list of names.

    Raises
    ------
    ArgumentError
        Where it is none.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(name, str | int) for name in given):
        raise refuse(what, given, "a list of names", f"Write {what}=['flow'], say.")
    return tuple(given)


def shaped(
    modules: Mapping[str, SimulationModule], takes: Mapping[str, tuple[str, ...]], given: Mapping[str, int]
) -> tuple[dict[str, ModuleShape], dict[str, int]]:
    """Return the shapes of all modules and the sizes of all vertices, from what modules, neighbours and trials say."""
    expect("sizes", given, Mapping, "a mapping from inputs to sizes", "Pass {'input': 3}.")
    for name in given:
        if name not in modules and not any(name in sources for sources in takes.values()):
            raise ArgumentError(f"sizes: '{name}' is no input; expected one that a module takes. Correct it.")
    sizes = {name: whole(f"sizes['{name}']", size) for name, size in given.items()}
    shapes = {name: module.shape for name, module in modules.items()}
    before = None
    while before != (before := (dict(shapes), dict(sizes))):
        for name, module in modules.items():
            sources = takes[name]
            unknown = [source for source in sources if source not in sizes]
            total = None if unknown else sum(sizes[source] for source in sources)
            shapes[name] = shape = module.tried(ModuleShape(sizes.get(name), total))
            if shape.cols is not None and total is not None and shape.cols != total:
                expected = f"expected {total}, the entries of {', '.join(sources)}. Correct one of them."
                raise ArgumentError(f"modules['{name}']: found {shape.cols} columns; {expected}")
            if shape.rows is not None:
                _note(sizes, name, shape.rows, name)
            if shape.cols is not None and len(unknown) == 1:
                rest = sum(sizes[source] for source in sources if source != unknown[0])
                _note(sizes, unknown[0], shape.cols - rest, name)
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
