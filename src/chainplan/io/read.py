"""The table of front-ends and the public functions: `read`, `from_spec`, `chain` make a Problem, `program` a Program.

A new front-end is one file beside this one and one line in `FRONTENDS`; the suffix of a file chooses among them. A file
is read up to a limit and no further, so that a device or an endless pipe is an error like any other.
"""

from __future__ import annotations

import sys
from collections import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from chainplan._util.file_kinds import kind_of
from chainplan._util.gc_pause import uncollected
from chainplan.errors import SpecError
from chainplan.errors.arguments import expect, refuse
from chainplan.io.chaining_json import CHAINING_KEY, read_chaining
from chainplan.io.dot_file import read_dot
from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import LocatedNode, MappingNode, shown
from chainplan.io.located.objects import from_objects
from chainplan.io.located.yaml_events import from_json, from_yaml
from chainplan.io.networkx_graph import read_gml, read_graphml, read_node_link
from chainplan.io.plan_file import SavedPlan, is_plan_file, saved_plan
from chainplan.io.plan_file_fields import load
from chainplan.io.spec import read_problem
from chainplan.io.variants_file import saved_variants
from chainplan.problem.problem import Problem
from chainplan.problem.products import Products

if TYPE_CHECKING:
    from chainplan.programs.program import Program

MAX_SPEC_BYTES = 50_000_000
"""Bytes of the largest spec that is read."""
MAX_PLAN_FILE_BYTES = 1_000_000_000
"""Bytes of the largest plan file that is read."""


@dataclass(frozen=True)
class Frontend:
    """A file format: its name, its suffixes, and the reader that makes a Problem or Program of the bytes.

    Files of an `own_kind` begin as no spec does, and are not refused for that.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: Callable[[bytes, SpecMessages], Problem | Program]
    own_kind: bool = False


def _spec(parse: Callable[[bytes, SpecMessages], LocatedNode]) -> Callable[[bytes, SpecMessages], Problem | Program]:
    """Return the reader of a spec, given the parser of its text format."""
    return lambda data, messages: _read_spec_tree(parse(data, messages), messages)


_ADVICE_ON_NODE_LINK_NAMES = "Write it by networkx.node_link_data and name it *.nodelink.json."


def _read_spec_tree(root: LocatedNode, messages: SpecMessages) -> Problem | Program:
    """Read a parsed spec: layers become a program, a chain or a linearised DAG a problem."""
    keys = root.keys.keys() if isinstance(root, MappingNode) else set()
    if "nodes" in keys and keys & {"links", "edges", "adjacency"} and not keys & {"chain", "dag"}:
        messages.fatal(0, 0, f"found a graph of networkx as JSON; expected a spec. {_ADVICE_ON_NODE_LINK_NAMES}")
    if isinstance(root, MappingNode) and CHAINING_KEY in keys:
        return read_chaining(root, messages)
    if isinstance(root, MappingNode) and keys & {"layers", "input"}:
        from chainplan.io.spec_layers import read_program

        return read_program(root, messages)
    return read_problem(root, messages)


def _onnx(data: bytes, messages: SpecMessages) -> Problem:
    """Read a model in ONNX by the ops of layers, whose numpy nobody else pays for."""
    from chainplan.io.onnx_model import read_onnx

    return read_onnx(data, messages)


FRONTENDS: tuple[Frontend, ...] = (
    Frontend("yaml", (".yaml", ".yml"), _spec(from_yaml)),
    Frontend("graphml", (".graphml",), read_graphml, own_kind=True),
    Frontend("gml", (".gml",), read_gml, own_kind=True),
    Frontend("dot", (".dot", ".gv"), read_dot, own_kind=True),
    Frontend("onnx", (".onnx",), _onnx, own_kind=True),
    Frontend("node-link", (".nodelink.json", ".node-link.json"), read_node_link),
    Frontend("json", (".json",), _spec(from_json)),
)
"""All front-ends. The first one reads whatever no suffix claims: standard input, pipes, files with other names."""


def read(path: str | Path) -> Problem:
    """Read a problem from a file.

    Parameters
    ----------
    path : str | Path
        The path of a spec, or of a graph in another format; `-` is standard input.

    Returns
    -------
    Problem
        The problem; that of a spec of layers is the problem of their Jacobian, that of one with `ranges` a `Family`.

    Raises
    ------
    SpecError
        Where the file cannot be read, or has errors; the message lists every error.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "spec.yaml"
    ...     _ = path.write_text("chain: [3, 1, 2]")
    ...     read(path).graph.sizes
    {'x0': 3, 'x1': 1, 'x2': 2}
    """
    spec = read_spec(path)
    return spec if isinstance(spec, Problem) else spec.problem


def read_spec(path: str | Path) -> Problem | Program:
    """Read a spec of layers as a program, any other as a problem; `-` is standard input.

    Raises
    ------
    SpecError
        Where the file cannot be read, or has errors; the message lists every error.
    """
    source, data = _bounded(path, MAX_SPEC_BYTES)
    if is_plan_file(data):
        raise SpecError(f"{source}: found a plan file; expected a spec. 'chainplan check' and 'run' read plans.")
    return _read_by_suffix(source, data)


def read_plan(path: str | Path) -> SavedPlan:
    """Read a plan file, without verifying what it claims.

    Parameters
    ----------
    path : str | Path
        The path of the file; `-` is standard input.

    Returns
    -------
    SavedPlan
        The problem, the plan and the claims of the file; of a file of variants, a `SavedVariants` that holds them.

    Raises
    ------
    SpecError
        Where the file cannot be read or is no plan file.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> from tempfile import TemporaryDirectory
    >>> result = chainplan.plan(chainplan.chain([2, 3, 4]))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plan.json"
    ...     _ = path.write_text(chainplan.render(result, "json"))
    ...     read_plan(path).document["cost"]["fma"]
    24
    """
    source, data = _bounded(path, MAX_PLAN_FILE_BYTES)
    if data.strip() and not is_plan_file(data):
        raise SpecError(
            f"{source}: this is not a plan file; expected one, as 'chainplan plan --format json' writes it."
        )
    return _saved(data, source)


def _saved(data: bytes, source: str) -> SavedPlan:
    """Read a plan file, of one plan or of variants."""
    root = load(data, source)
    return saved_variants(root, source) if "variants" in root else saved_plan(root, source)


def read_any(path: str | Path) -> Problem | Program | SavedPlan:
    """Read a spec, of layers or not, or a plan file, whichever it is.

    Raises
    ------
    SpecError
        Where the file cannot be read, or has errors; the message lists every error.
    """
    source, data = _bounded(path, MAX_PLAN_FILE_BYTES)
    if is_plan_file(data):
        return _saved(data, source)
    _refuse_large(data, source, MAX_SPEC_BYTES)
    return _read_by_suffix(source, data)


def _read_by_suffix(source: str, data: bytes) -> Problem | Program:
    """Read the bytes of a file by the front-end of its suffix; refuse kinds of files that are no specs."""
    kind = kind_of(data)
    frontend = next((f for f in FRONTENDS if source.lower().endswith(f.suffixes)), FRONTENDS[0])
    if kind is not None and not frontend.own_kind:
        raise SpecError(f"{source}: found {kind.what}; expected a spec. {kind.as_spec}")
    with uncollected():
        return frontend.reader(data, SpecMessages(source))


def _bounded(path: str | Path, limit: int) -> tuple[str, bytes]:
    """Return the name and the bytes of a file, of which at most one more than the limit is read."""
    expect("path", path, (str, PathLike), "the name of a file", "Pass one, or from_spec(spec) what is no file.")
    standard_input = str(path) == "-"
    source = "<stdin>" if standard_input else shown(str(path), 1000)
    try:
        if standard_input:
            data = _read(sys.stdin.buffer, limit + 1)
        else:
            with open(path, "rb") as file:
                data = _read(file, limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"{source}: {reason}; expected a file to read. Check the path.") from None
    _refuse_large(data, source, limit)
    return source, data


def _read(file: IO[bytes], most: int) -> bytes:
    """Read at most so many bytes, without allocating memory for them all beforehand."""
    parts = []
    while most and (part := file.read(min(most, 1 << 20))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _refuse_large(data: bytes, source: str, limit: int) -> None:
    if len(data) > limit:
        most = f"{limit // 10**6} MB"
        raise SpecError(f"{source}: found more than {most}; expected a smaller file. Check the path.")


def from_text(text: str, source: str = "spec") -> Problem:
    """Make a problem of the text of a spec, YAML or JSON, that cannot name files.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.
    """
    messages = SpecMessages(source, files=False)
    with uncollected():
        spec = _read_spec_tree(from_yaml(text.encode(), messages), messages)
    return spec if isinstance(spec, Problem) else spec.problem


def from_spec(spec: abc.Mapping[str, Any], source: str = "spec") -> Problem:
    """Make a problem of Python objects in the grammar of a spec.

    Parameters
    ----------
    spec : Mapping[str, Any]
        The spec: mappings, lists, texts and numbers.
    source : str
        The text that stands before every message.

    Returns
    -------
    Problem
        The problem; that of a spec with `ranges` is a `Family`.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.

    Examples
    --------
    >>> from_spec({"dag": {"edges": [["x", "a"], ["a", "y"], ["x", "y"]]}}).graph.outputs
    ('y',)
    """
    messages = SpecMessages(source)
    with uncollected():
        problem = _read_spec_tree(from_objects(spec, messages), messages)
        return problem if isinstance(problem, Problem) else problem.problem


def program(spec: abc.Mapping[str, Any], source: str = "spec") -> Program:
    """Make a program of Python objects in the grammar of layers.

    Parameters
    ----------
    spec : Mapping[str, Any]
        The spec: mappings, lists, texts and numbers.
    source : str
        The text that stands before every message.

    Returns
    -------
    Program
        The layers with their shapes, and the problem of their Jacobian.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.

    Examples
    --------
    >>> net = program({"input": {"x": 3, "batch": 2}, "layers": [{"op": "linear", "out": 4}, {"op": "sigmoid"}]})
    >>> net.shapes["sigmoid1"], list(net.problem.graph.sizes.values())
    ((2, 4), [6, 8, 8])
    """
    from chainplan.io.spec_layers import read_program

    messages = SpecMessages(source)
    with uncollected():
        return read_program(from_objects(spec, messages), messages)


def chain(
    items: Sequence[int | str | abc.Mapping[str, Any]],
    *,
    name: str | None = None,
    memory: int | None = None,
    products: Products | None = None,
    ranges: abc.Mapping[str, Sequence[int]] | None = None,
) -> Problem:
    """Make the problem of a chain, given by the sizes of x_0 ... x_q or by its Jacobians in evaluation order.

    Parameters
    ----------
    items : Sequence[int | str | Mapping[str, Any]]
        Sizes, or mappings with `shape` as rows x cols and any other key that an item of `chain` in a spec may have.
    name : str | None
        The name that reports give to the problem.
    memory : int | None
        The most elements that may be alive at once.
    products : Products | None
        The numbers of products with vectors, where the Jacobian is used for nothing else.
    ranges : Mapping[str, Sequence[int]] | None
        The least and the largest size of each name that stands for a size, as `n` or `640*n`.

    Returns
    -------
    Problem
        The problem; with ranges it is a `Family`, whose problems `at` gives and `chainplan.variants` plans.

    Raises
    ------
    SpecError
        Where the items have errors; the message lists every error.

    Examples
    --------
    >>> [f"{e.name}: {e.block.rows} x {e.block.cols}" for e in chain([3, 1, 2]).graph.chain]
    ['F1: 1 x 3', 'F2: 2 x 1']
    """
    spec: dict[str, Any] = {"chain": _items(items)}
    if name is not None:
        spec["name"] = name
    if memory is not None:
        spec["limits"] = {"memory": memory}
    if ranges is not None:
        spec["ranges"] = ranges
    problem = from_spec(spec)
    return problem if products is None else replace(problem, products=products)


def _items(items: Any) -> Any:
    """Return the items of a chain as the grammar takes them; refuse matrices, of which only the shape would count."""
    if isinstance(items, range) or getattr(items, "ndim", None) == 1:
        return list(items)
    for i, item in enumerate(items if isinstance(items, list | tuple) else ()):
        shape: Any = getattr(item, "shape", None)
        if isinstance(shape, tuple) and len(shape) == 2:
            passed = f"{{'shape': [{shape[0]}, {shape[1]}]}}"
            todo = f"Pass its shape, {passed}, and the array itself to execute(plan, {{'F{i + 1}': array}})."
            raise refuse(f"chain[{i}]", item, "a size or a mapping: planning takes no numbers", todo)
    return items
