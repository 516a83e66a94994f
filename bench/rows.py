"""The rows of a run and the CSV they are kept in.

The file opens with lines `# key: value` that say on what machine and with which versions it was measured, so that the
report needs nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from io import StringIO


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


def ratio(cost: int, optimum: int) -> float:
    """cost / optimum, and 1.0 only where they are equal."""
    exact = Fraction(cost, optimum)
    rounded = float(exact)
    return rounded if rounded != 1.0 or exact == 1 else 1.0 + (2**-52 if exact > 1 else -(2**-53))


def to_csv(about: Mapping[str, str], rows: Sequence[Row]) -> str:
    """The text of a CSV file."""
    out = StringIO()
    for key, value in about.items():
        out.write(f"# {key}: {value}\n")
    writer = csv.DictWriter(out, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return out.getvalue()


def from_csv(text: str) -> tuple[dict[str, str], list[Row]]:
    """What `to_csv` was given."""
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("# ")]
    about = {key: value for key, _, value in (line[2:].partition(": ") for line in head)}
    return about, [_row(entry) for entry in csv.DictReader(lines[len(head) :])]


def _row(entry: Mapping[str, str]) -> Row:
    def whole(key: str) -> int | None:
        return int(entry[key]) if entry[key] else None

    def real(key: str) -> float | None:
        return float(entry[key]) if entry[key] else None

    return Row(
        task=entry["task"],
        instance=entry["instance"],
        family=entry["family"],
        n=int(entry["n"]),
        solver=entry["solver"],
        seed=int(entry["seed"]),
        status=entry["status"],
        cost=whole("cost"),
        optimum=whole("optimum"),
        ratio=real("ratio"),
        seconds=real("seconds"),
        repeats=int(entry["repeats"]),
    )
