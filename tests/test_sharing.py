"""What a run hands over is the caller's own; what it asks a mapping for it lets go of; whole numbers do not wrap."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
import pytest

import chainplan
from chainplan.errors import ExecutionError
from chainplan.execution.executor import prepared
from chainplan.plans.steps import Plan


def _planned(spec: dict[str, Any]) -> Plan:
    plan = chainplan.plan(chainplan.from_spec(spec)).plan
    assert plan is not None
    return plan


def _edges(outputs: list[str], *jacobians: dict[str, Any]) -> dict[str, Any]:
    sizes = dict.fromkeys(("x", "h", "y", "z"), 3)
    named = {v for e in jacobians for v in e["edge"]}
    used = {v: size for v, size in sizes.items() if v in named}
    return {"dag": {"sizes": used, "inputs": ["x"], "outputs": outputs, "jacobians": list(jacobians)}}


IDENTITY = {"edge": ["y", "z"], "structure": "identity"}
ONE = {"edge": ["x", "y"], "name": "A"}
SPECS: dict[str, dict[str, Any]] = {
    "itself": _edges(["y"], ONE),
    "through an identity": _edges(["z"], ONE, IDENTITY),
    "both": _edges(["y", "z"], ONE, IDENTITY),
    "onto zero": _edges(["y"], ONE, {"edge": ["x", "y"], "name": "N", "structure": "zero"}),
    "a product and the same": _edges(["y", "z"], {"edge": ["x", "h"]}, {"edge": ["h", "y"], "name": "A"}, IDENTITY),
    "a diagonal": _edges(["y", "z"], ONE | {"structure": "diagonal"}, IDENTITY),
    "parts": _edges(["y", "z"], ONE | {"structure": {"block_diagonal": [3, 1, 1]}}, IDENTITY),
    "a pattern": _edges(["y", "z"], ONE | {"structure": {"coo": [[0, 1], [2, 2]]}}, IDENTITY),
    "by functions": _edges(["y", "z"], ONE | {"tangent": 1, "adjoint": 1}, IDENTITY),
}


def _values(spec: dict[str, Any], wrapped: Any) -> dict[str, Any]:
    rng, result = np.random.default_rng(0), {}
    for place, e in enumerate(spec["dag"]["jacobians"]):
        name = e.get("name", f"{e['edge'][1]}/{e['edge'][0]}")
        structure = e.get("structure")
        if structure in ("identity", "zero"):
            continue
        shape = {"diagonal": (3,)}.get(structure, (3, 3)) if not isinstance(structure, dict) else (3, 1, 1)
        shape = (2,) if isinstance(structure, dict) and "coo" in structure else shape
        array = wrapped(rng.integers(-4, 5, shape).astype(float), place)
        result[name] = (lambda block, a=array: a, lambda block, a=array: a) if "tangent" in e else array
    return result


def _arrays(value: Any) -> list[Any]:
    return [value] if isinstance(value, np.ndarray) else [value.data, value.indices, value.indptr]


@pytest.mark.parametrize("dense", [None, False])
@pytest.mark.parametrize("kind", ["array", "view", "memmap", "lazy"])
@pytest.mark.parametrize("name", SPECS)
def test_outputs_share_no_memory(name: str, kind: str, dense: bool | None, tmp_path: Path) -> None:
    given: list[Any] = []

    def wrapped(array: Any, place: int) -> Any:
        if kind == "memmap":
            file = np.memmap(tmp_path / f"{place}.bin", float, "w+", shape=array.shape)
            file[...] = array
            array = file
        array = array[:] if kind == "view" else array
        given.append(array)
        return array

    plan, values = _planned(SPECS[name]), _values(SPECS[name], wrapped)
    before = [array.copy() for array in given]
    run = prepared(plan, Lazy(values) if kind == "lazy" else values, dense=dense)
    found, again = run(), run()
    ends: list[Any] = [*found.values(), *again.values()]
    for one, other in itertools.combinations([*ends, *given], 2):
        for a, b in itertools.product(_arrays(one), _arrays(other)):
            assert not np.shares_memory(a, b)
    for value in found.values():
        assert type(value) is not np.memmap
        _arrays(value)[0][...] = 77
    assert all(map(np.array_equal, given, before))
    for pair, value in run().items():
        assert np.array_equal(_arrays(value)[0], _arrays(again[pair])[0])


class Lazy(Mapping[str, Any]):
    """Makes an array whenever it is asked for one, and counts how many of its arrays are alive."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self.asked = values, list[str]()

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Counted(Lazy):
    """Arrays of ones of which no more than a few may be alive."""

    alive = most = 0

    def __getitem__(self, name: str) -> Any:
        value = np.ones(self._values[name])
        self.asked.append(name)
        self.alive += 1
        self.most = max(self.most, self.alive)
        finalize(value, self._gone)
        return value

    def _gone(self) -> None:
        self.alive -= 1


@pytest.mark.parametrize("matrix_free", [False, True])
@pytest.mark.parametrize("workers", [None, 1, 2])
def test_a_mapping_is_asked_for_an_elemental_when_its_step_comes(workers: int | None, matrix_free: bool) -> None:
    prices = {"tangent": 900, "adjoint": 900} if matrix_free else {}
    items = [{"name": f"A{i}", "shape": [32, 32], **prices} for i in range(40)]
    plan = chainplan.plan(chainplan.chain(items)).plan
    assert plan is not None
    lazy = Counted({f"A{i}": (32, 32) for i in range(40)})
    ((_, found),) = chainplan.execute(plan, lazy, workers=workers).items()
    assert np.array_equal(found, np.full((32, 32), 32.0**39))
    gc.collect()
    assert sorted(lazy.asked) == sorted(lazy), "each is asked for once"
    assert lazy.alive == 0
    assert lazy.most <= 3 * (workers or 1)


def test_a_mapping_that_lacks_an_elemental_is_refused_before_the_first_step() -> None:
    plan = chainplan.plan(chainplan.chain([{"name": n, "shape": [2, 2]} for n in "ABC"])).plan
    assert plan is not None
    lazy = Lazy({"A": np.eye(2), "B": np.eye(2)})
    with pytest.raises(ExecutionError, match="no Jacobian for 'C'"):
        chainplan.execute(plan, lazy)
    assert not lazy.asked


def test_a_mapping_of_any_kind_gives_what_a_dict_gives(tmp_path: Path) -> None:
    plan = _planned(SPECS["both"])
    values = _values(SPECS["both"], lambda array, place: array)
    np.savez(tmp_path / "values.npz", **values)
    with np.load(tmp_path / "values.npz") as archive:
        found = chainplan.execute(plan, archive)
    for pair, expected in chainplan.execute(plan, values).items():
        assert np.array_equal(found[pair], expected)


def test_functions_may_not_write_to_what_they_get() -> None:
    item = {"name": "A", "shape": [2, 3], "tangent": 1, "adjoint": 1}
    plan = chainplan.plan(chainplan.chain([{"name": "B", "shape": [3, 3]}, item])).plan
    assert plan is not None

    def tangent(block: Any) -> Any:
        block *= 2
        return block[:2]

    with pytest.raises(ValueError, match="read-only"):
        chainplan.execute(plan, {"A": (tangent, tangent), "B": np.eye(3)})


def _chain(numbers: list[int], dtype: Any, sizes: tuple[int, ...] = (1, 1, 1)) -> tuple[Plan, dict[str, Any]]:
    plan = chainplan.plan(chainplan.chain(list(sizes))).plan
    assert plan is not None
    shapes = zip(sizes[1:], sizes, strict=False)
    pairs = zip(numbers, shapes, strict=True)
    return plan, {f"F{i}": np.full(shape, number, dtype) for i, (number, shape) in enumerate(pairs, 1)}


@pytest.mark.parametrize(
    ("numbers", "dtype", "sizes"),
    [
        ([2**32, 2**31], np.int64, (1, 1, 1)),
        ([-(2**32), 2**31 + 1], np.int64, (1, 1, 1)),
        ([2**31, 2**31], np.int64, (1, 2, 1)),
        ([2**32, 2**32], np.uint64, (1, 1, 1)),
        ([16, 8], np.int8, (1, 1, 1)),
        ([2**16, 2**15], np.int32, (3, 1, 3)),
    ],
)
@pytest.mark.parametrize("workers", [None, 2])
def test_whole_numbers_that_do_not_fit_are_refused(
    numbers: list[int], dtype: Any, sizes: tuple[int, ...], workers: int | None
) -> None:
    plan, values = _chain(numbers, dtype, sizes)
    for given in (values, Lazy(values)):
        with pytest.raises(ExecutionError, match=rf"step 2 \(multiply\).*{np.dtype(dtype)} holds .*float64"):
            chainplan.execute(plan, given, workers=workers)
    with np.errstate(all="ignore"):
        expected = values["F2"] @ values["F1"]
    assert np.array_equal(chainplan.execute(plan, values, wrap=True, workers=workers)["x2", "x0"], expected)
    fitting = {name: array.astype(float) for name, array in values.items()}
    assert np.array_equal(chainplan.execute(plan, fitting)["x2", "x0"], fitting["F2"] @ fitting["F1"])


@pytest.mark.parametrize("numbers", [[2**31, 2**31], [3037000499, 3037000499], [-(2**31), 2**31]])
def test_whole_numbers_that_fit_are_computed(numbers: list[int]) -> None:
    plan, values = _chain(numbers, np.int64)
    assert chainplan.execute(plan, values)["x2", "x0"].item() == numbers[0] * numbers[1]


def test_whole_numbers_that_fit_because_terms_cancel_are_computed() -> None:
    plan, values = _chain([2**32, 2**32], np.int64, (1, 2, 1))
    values["F1"][1] = 2**32 - 1
    values["F2"][0, 1] = -(2**32)
    assert chainplan.execute(plan, values)["x2", "x0"].item() == 2**32


def test_sums_and_given_arrays_of_matrix_free_elementals_are_looked_at_too() -> None:
    two = _planned(_edges(["y"], ONE, {"edge": ["x", "y"], "name": "B"}))
    large = np.full((3, 3), 2**62)
    with pytest.raises(ExecutionError, match=r"\(add\).*int64 holds"):
        chainplan.execute(two, {"A": large, "B": large})
    free = chainplan.plan(
        chainplan.chain([{"name": "A", "shape": [3, 3]}, {"name": "B", "shape": [3, 3], "tangent": 1, "adjoint": 1}])
    ).plan
    assert free is not None
    with pytest.raises(ExecutionError, match=r"\(propagate\).*int64 holds"):
        chainplan.execute(free, {"A": large, "B": large})


def test_a_wide_result_is_asked_for() -> None:
    n = 30_000
    plan = chainplan.plan(chainplan.chain([{"shape": [n, n], "structure": "diagonal"}] * 2)).plan
    assert plan is not None
    values = {"F1": np.arange(n, dtype=float), "F2": np.ones(n)}
    with pytest.raises(ExecutionError, match=r"7,200,000,000 bytes as matrices.*dense=False.*dense=True"):
        chainplan.execute(plan, values)
    assert np.array_equal(chainplan.execute(plan, values, dense=False)["x2", "x0"], np.arange(n))
