"""The rows of a run and the CSV they are kept in: a dataclass per kind of suite, a column per field.

The file opens with lines `# key: value` that say on what machine and with which versions it was measured, so that the
report needs nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from io import StringIO
from typing import Any, TypeVar


@dataclass(frozen=True)
class Row:
    """One measurement.

    `task` is "order" (find an order; `cost` in multiplications) or "execute" (multiply; `cost` in fma). `status` is
    "ok", "published", or says why there is no figure. `ratio` is cost over optimum; `seconds` the best of `repeats`.
    """

    task: str
    instance: str
    family: str
    n: int
    solver: str
    seed: int
    status: str = "ok"
    cost: int | None = None
    optimum: int | None = None
    ratio: float | None = None
    seconds: float | None = None
    repeats: int = 0


@dataclass(frozen=True)
class DagRow:
    """One plan of a linearised DAG, or a published figure.

    `task` is "plan", or "curve" for one of several runs with growing budgets. `n` and `edges` count intermediate
    vertices and elementals, `cost` and `bound` are in fma, `budget` and `seconds` in seconds; `memory` is the most MiB
    held, where the planning had a process of its own. `status` is that of the result, "published", or says why there
    is no figure.
    """

    task: str
    instance: str
    family: str
    n: int
    edges: int
    solver: str
    seed: int = 0
    budget: float | None = None
    status: str = "published"
    cost: int | None = None
    bound: int | None = None
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class StructureRow:
    """A chain of mixed structures, or one order of it.

    `task` is "count": `fma` of the optimum, which is the least of all bracketings, and `dense_fma` of the order that is
    best for dense factors. Or "time": the price of an order in fma and in nanoseconds by two models, the least
    `seconds` of `repeats` runs, and in `chosen_by` who takes this order.
    """

    task: str
    instance: str
    n: int
    order: str = ""
    chosen_by: str = ""
    fma: int | None = None
    dense_fma: int | None = None
    weighted: int | None = None
    calibrated: int | None = None
    seconds: float | None = None
    repeats: int = 0


AnyRow = TypeVar("AnyRow", Row, DagRow, StructureRow)

_READ: dict[Any, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "int | None": lambda text: int(text) if text else None,
    "float | None": lambda text: float(text) if text else None,
}


def ratio(cost: int, optimum: int) -> float:
    """cost / optimum, and 1.0 only where they are equal."""
    exact = Fraction(cost, optimum)
    rounded = float(exact)
    return rounded if rounded != 1.0 or exact == 1 else 1.0 + (2**-52 if exact > 1 else -(2**-53))


def to_csv(about: Mapping[str, str], rows: Sequence[AnyRow], kind: type[AnyRow]) -> str:
    """The text of a CSV file with rows of one kind."""
    out = StringIO()
    for key, value in about.items():
        out.write(f"# {key}: {value}\n")
    writer = csv.DictWriter(out, [f.name for f in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return out.getvalue()


def from_csv(text: str, kind: type[AnyRow]) -> tuple[dict[str, str], list[AnyRow]]:
    """What `to_csv` was given."""
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("# ")]
    about = {key: value for key, _, value in (line[2:].partition(": ") for line in head)}
    read = {f.name: _READ[f.type] for f in fields(kind)}
    entries = csv.DictReader(lines[len(head) :])
    return about, [kind(**{name: of(entry[name]) for name, of in read.items()}) for entry in entries]
