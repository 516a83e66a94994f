"""The suite `torch`: Jacobians of PyTorch functions by chainplan, by both modes, and by the graphs of both.

Times are those of a call, for a single point and for a batch under `torch.vmap`, which maps over the argument: all ways
in turns in one run, the least time of each, in a process of its own with one thread. The graphs of the modes are those
of `make_fx`, traced before, which a user would have to keep for every set of shapes by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from bench.apart import printed_apart
from bench.rows import TorchRow
from bench.run import load, machine

AGREED = 1e-10
"""Largest difference between two ways over the largest element."""


@dataclass(frozen=True)
class TorchSuite:
    """Which functions are measured (all where none is named), at which batches, in how many turns and seconds."""

    name: str = "torch"
    title: str = "Jacobians of PyTorch functions"
    functions: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1, 16)
    turns: int = 200
    seconds: float = 1.5
    largest: int = 1 << 26

    def quick(self) -> TorchSuite:
        """The same on two functions."""
        return replace(self, functions=("bottleneck", "scalar"), batches=(1,), turns=3)

    def only(self, names: tuple[str, ...]) -> TorchSuite:
        """The same on the functions whose names begin so."""
        from bench.instances.torch_functions import MAKERS
        from bench.run import beginning

        return replace(self, functions=beginning(names, MAKERS))


TORCH_SUITES = {"torch": TorchSuite()}


def run_torch(suite: TorchSuite, say: Callable[[str], None]) -> tuple[dict[str, str], list[TorchRow]]:
    """Measure the suite: what it was measured on, and the rows."""
    before, start = load(), perf_counter()
    rows = list(_apart(suite, say))
    about = {"suite": suite.name, **machine(("torch", "numpy")), "load": f"{before} before, {load()} after"}
    return {**about, "duration": f"{perf_counter() - start:.0f} s"}, rows


def _apart(suite: TorchSuite, say: Callable[[str], None]) -> Iterator[TorchRow]:
    """The rows, from a process with one thread."""
    for entry in printed_apart("bench.torch_suite", suite, options=("-W", "ignore")):
        row = TorchRow(**entry)
        say(f"{row.instance} at {row.batch}: {row.takes}, {row.jacrev_seconds / row.default_seconds:.2f} of jacrev")
        yield row


def print_rows(suite: TorchSuite) -> None:
    """Measure one function after the other; print each row as a line of JSON."""
    import torch

    from bench.instances.torch_functions import MAKERS, instance

    torch.set_num_threads(1)
    for name in suite.functions or MAKERS:
        f, x = instance(name)
        m = sum(y.numel() for y in [f(x)])
        for batch in suite.batches:
            if batch == 1 or 8 * batch * m * x.numel() <= suite.largest:
                print(json.dumps(asdict(_row(name, f, x, m, batch, suite))), flush=True)


def _row(name: str, f: Callable[..., Any], x: Any, m: int, batch: int, suite: TorchSuite) -> TorchRow:
    """The row of a function at a batch.

    Raises
    ------
    ValueError
        If chainplan or jacrev is wrong.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    import chainplan.torch as planned

    point = x if batch == 1 else x * (1 + 1e-3 * torch.rand(batch, *x.shape, dtype=x.dtype))
    made = planned.jacobian(f)
    ways: dict[str, Callable[..., Any]] = {"jacrev": torch.func.jacrev(f), "jacfwd": torch.func.jacfwd(f)}
    ways |= {f"fx_{mode}": make_fx(way)(x) for mode, way in ways.items()}
    ways = {"default": made, **ways}
    runs = {way: run if batch == 1 else torch.vmap(run) for way, run in ways.items()}
    start = perf_counter()
    result = runs["default"](point)
    first = perf_counter() - start
    exact = result if batch == 1 else torch.stack([torch.func.jacrev(f)(one) for one in point])
    for way in list(runs):
        if not (runs[way](point) - exact).abs().max() <= AGREED * exact.abs().max():
            if way in ("default", "jacrev"):
                raise ValueError(f"'{way}' is wrong on '{name}'")
            del runs[way]  # a batching rule of PyTorch is wrong
    best, turns = _least(runs, point, suite)
    found: list[Any] = []
    probe = _asked(made, found)
    (probe if batch == 1 else torch.vmap(probe))(point)
    figures: dict[str, Any] = {f"{way}_seconds": best.get(way) for way in ways}
    return TorchRow(name, batch, m, x.numel(), found[0].way, found[0].promise, first=first, repeats=turns, **figures)


def _asked(made: Any, found: list[Any]) -> Callable[..., Any]:
    """A function that notes how a Jacobian is computed at its argument."""

    def ask(x: Any) -> Any:
        found.append(made.choice(x))
        return x

    return ask


def _least(runs: dict[str, Callable[..., Any]], point: Any, suite: TorchSuite) -> tuple[dict[str, float], int]:
    """Least seconds of each way over turns, every other one backwards, and the number of turns."""
    best, order, turns, start = dict.fromkeys(runs, float("inf")), list(runs), 0, perf_counter()
    while turns < 3 or (turns < suite.turns and perf_counter() - start < suite.seconds):
        for way in order:
            before = perf_counter()
            runs[way](point)
            best[way] = min(best[way], perf_counter() - before)
        order, turns = order[::-1], turns + 1
    return best, turns


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print_rows(TorchSuite(**{**given, "functions": tuple(given["functions"]), "batches": tuple(given["batches"])}))
