"""Colouring: the definition of recovery, seeds and decompression, bounds, closed forms and published counts.

The matrices of the published counts ship in the openmdao wheel (Apache-2.0) and are not copied here. They are read from
the folder in `CHAINPLAN_MATRICES`, else from an installed openmdao, else those tests are skipped:

    pip download openmdao --no-deps -d DIR && python -m zipfile -e DIR/openmdao-*.whl DIR
    CHAINPLAN_MATRICES=DIR/openmdao/test_suite/matrices pytest tests/test_colouring.py -m 'nightly or not nightly'
"""

from __future__ import annotations

import itertools
import json
import os
import random
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, diags_array, load_npz

from chainplan.colouring import (
    Colouring,
    best_of_all,
    colour,
    decompress,
    lower_bound,
    misfit,
    seed_columns,
    seed_rows,
)
from chainplan.colouring.greedy import first_fit, whole
from chainplan.colouring.incidence import column_side
from chainplan.colouring.vertex_orders import conflicts, largest_first, natural, smallest_last
from chainplan.errors import ShapeError
from tests.oracles.colouring import least_price, recovers
from tests.reference import DATA, absent

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

PRICES = [(1, None), (None, 1), (1, 1), (1, 5), (5, 1), (3, 2), (0, 1), (10**30, 10**30 + 1)]


def pattern_of(cells: Any) -> Pattern:
    """A pattern from a dense table of zeros and ones."""
    found: Pattern = csr_array(np.atleast_2d(np.asarray(cells, dtype=np.int64)))
    found.sort_indices()
    return found


def random_pattern(seed: int, rows: int, cols: int) -> Pattern:
    """Nonzeros of a random density, some lines emptied and some filled."""
    rng = np.random.default_rng(seed)
    cells = rng.random((rows, cols)) < rng.random() ** 2
    for axis, size in ((0, rows), (1, cols)):
        for line in rng.integers(0, size, size=rng.integers(0, 3)):
            cells[(slice(None),) * axis + (line,)] = rng.random() < 0.7
    return pattern_of(cells)


def arrow(n: int) -> Pattern:
    """Diagonal, first row and first column."""
    k, zero = np.arange(n), np.zeros(n - 1, dtype=np.intp)
    rows, cols = np.concatenate([k, zero, k[1:]]), np.concatenate([k, k[1:], zero])
    found: Pattern = csr_array((np.ones(rows.size), (rows, cols)), shape=(n, n))
    found.sort_indices()
    return found


def eisenstat(n: int) -> Pattern:
    """Eisenstat's example, n + 1 x n, as in Coleman & Verma 1998 and in OpenMDAO's tests."""
    half = n // 2
    one, top = np.eye(half, dtype=int), np.hstack([np.ones((1, half), dtype=int), np.zeros((1, half), dtype=int)])
    return pattern_of(np.vstack([np.hstack([one, one]), top, np.hstack([one, 1 - one])]))


def band(n: int, lower: int, upper: int) -> Pattern:
    found: Pattern = csr_array(diags_array([1.0] * (lower + upper + 1), offsets=range(-lower, upper + 1), shape=(n, n)))
    found.sort_indices()
    return found


def cells_of(pattern: Pattern) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The pattern as a table."""
    cells = np.zeros(pattern.shape, dtype=bool)
    cells[pattern.nonzero()] = True
    return cells


def recovered_by_definition(pattern: Pattern, colouring: Colouring) -> bool:
    """Whether every nonzero is alone with its colour in its row or in its column, as the oracle sees it."""
    return recovers(cells_of(pattern), colouring.columns.tolist(), colouring.rows.tolist())


def assert_recovers(pattern: Pattern, colouring: Colouring, seed: int = 0) -> None:
    """Random integers on the pattern, compressed and decompressed, come back as they were."""
    values = np.random.default_rng(seed).integers(1, 2**53, size=pattern.nnz)
    jacobian = csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)
    columns = (jacobian @ seed_columns(colouring)).toarray() if colouring.tangents else None
    rows = (seed_rows(colouring) @ jacobian).toarray() if colouring.adjoints else None
    found = decompress(pattern, colouring, columns, rows)
    assert found.dtype == np.int64 or not pattern.nnz
    assert np.array_equal(found.indptr, pattern.indptr)
    assert np.array_equal(found.indices, pattern.indices)
    assert np.array_equal(found.data, values)


sizes = st.integers(1, 14)
seeds = st.integers(0, 2**32)


@given(seeds, sizes, sizes, st.sampled_from(PRICES))
def test_every_colouring_recovers_exactly_and_costs_no_less_than_the_bound(
    seed: int, rows: int, cols: int, prices: tuple[int | None, int | None]
) -> None:
    pattern = random_pattern(seed, rows, cols)
    found = colour(pattern, *prices, effort=0.01)
    assert misfit(pattern, found.colouring) is None
    assert_recovers(pattern, found.colouring, seed)
    assert found.price == found.colouring.price(*prices)
    assert lower_bound(pattern, *prices) <= found.bound <= found.price
    if prices[0] is None:
        assert found.colouring.tangents == 0
    if prices[1] is None:
        assert found.colouring.adjoints == 0


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.sampled_from(PRICES))
def test_bound_exact_and_heuristics_are_in_order_on_tiny_patterns(
    seed: int, rows: int, cols: int, prices: tuple[int | None, int | None]
) -> None:
    pattern = random_pattern(seed, rows, cols)
    due = least_price(cells_of(pattern), *prices)
    assert due is not None
    exact = best_of_all(column_side(pattern), *prices)
    assert exact is not None
    assert misfit(pattern, exact) is None
    assert exact.price(*prices) == due
    assert lower_bound(pattern, *prices) <= due
    alone = colour(pattern, *prices)
    assert (alone.method, alone.price, alone.bound, alone.optimal) == ("exhaustive", due, due, True)
    # An empty line makes the pattern too large for the exhaustive search, and changes nothing else.
    wide = csr_array((pattern.data, pattern.indices, pattern.indptr), shape=(rows, 7))
    found = colour(wide, *prices, effort=0.01)
    assert found.bound <= due <= found.price


@given(seeds, sizes, sizes, st.sampled_from(PRICES))
def test_transposing_swaps_the_modes_and_keeps_the_bound(
    seed: int, rows: int, cols: int, prices: tuple[int | None, int | None]
) -> None:
    pattern = random_pattern(seed, rows, cols)
    turned: Pattern = pattern.T.tocsr()
    found = colour(pattern, *prices, effort=0.01).colouring
    mirrored = Colouring(found.rows, found.columns)
    assert misfit(turned, mirrored) is None
    assert mirrored.price(*prices[::-1]) == found.price(*prices)
    assert lower_bound(turned, *prices[::-1]) <= found.price(*prices)


@given(seeds, sizes, sizes, st.sampled_from(PRICES))
def test_a_changed_colouring_is_rejected_or_still_recovers(
    seed: int, rows: int, cols: int, prices: tuple[int | None, int | None]
) -> None:
    pattern, rng = random_pattern(seed, rows, cols), random.Random(seed)
    found = colour(pattern, *prices, effort=0).colouring
    columns, row_colours = found.columns.tolist(), found.rows.tolist()
    for _ in range(10):
        side = rng.choice([columns, row_colours])
        k = rng.randrange(len(side))
        if rng.random() < 0.5:
            side[k] = rng.randrange(-1, max(side) + 2)
        else:
            side[:] = [side[k] if x == rng.choice(side) else x for x in side]
        changed = Colouring.of(columns, row_colours)
        accepted = misfit(pattern, changed) is None
        assert accepted == recovered_by_definition(pattern, changed)
        if accepted:
            assert_recovers(pattern, changed)


def test_misfit_names_an_entry_and_both_reasons() -> None:
    pattern = pattern_of([[1, 1, 0], [0, 1, 1]])
    assert misfit(pattern, Colouring.of([0, 1, 0], [-1, -1])) is None
    assert misfit(pattern, Colouring.of([0, 0, 1], [-1, -1])) == (
        "nonzero (0, 0) cannot be recovered directly: column 0 shares colour 0 with column 1 in row 0, "
        "and row 0 is not seeded."
    )
    assert misfit(pattern, Colouring.of([0, -1, -1], [0, 0])) == (
        "nonzero (0, 1) cannot be recovered directly: column 1 is not seeded, "
        "and row 0 shares colour 0 with row 1 in column 1."
    )
    assert misfit(pattern, Colouring.of([0, 1], [-1, -1])) == (
        "it has colours for 2 rows and 2 columns, but the pattern is 2 x 3."
    )


def test_misuse_has_a_message() -> None:
    pattern = pattern_of([[1, 1]])
    good = Colouring.of([0, 1], [-1])
    for prices in ((None, None), (-1, 1), (1, -1)):
        with pytest.raises(ValueError, match="price"):
            colour(pattern, *prices)
        with pytest.raises(ValueError, match="price"):
            lower_bound(pattern, *prices)
    with pytest.raises(ValueError, match="effort"):
        colour(pattern, 1, 1, effort=-1)
    with pytest.raises(ValueError, match="needs 2 tangent sweeps"):
        good.price(None, 1)
    for colours in ([[0, 1]], [0.5, 1], [-2, 0]):
        with pytest.raises(ValueError, match="columns"):
            Colouring(np.array(colours), np.array([-1]))
    with pytest.raises(ShapeError, match="none given; 1 x 2 are due"):
        decompress(pattern, good, None, None)
    with pytest.raises(ShapeError, match="1 x 3 given; 1 x 2 are due"):
        decompress(pattern, good, np.ones((1, 3)), None)
    with pytest.raises(ShapeError, match=r"nonzero \(0, 0\)"):
        decompress(pattern, Colouring.of([0, 0], [-1]), np.ones((1, 1)), None)


@pytest.mark.parametrize("prices", [(1, None), (None, 1), (1, 1)])
@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (9, 0), (9, 9)])
def test_nothing_to_recover_needs_no_sweep(shape: tuple[int, int], prices: tuple[int | None, int | None]) -> None:
    pattern: Pattern = csr_array(shape)
    found = colour(pattern, *prices)
    assert (found.colouring.tangents, found.colouring.adjoints, found.price, found.bound) == (0, 0, 0, 0)
    assert_recovers(pattern, found.colouring)


def test_the_same_input_gives_the_same_colouring() -> None:
    pattern = random_pattern(7, 40, 30)
    one, two = (colour(pattern, 2, 3, effort=0.05, seed=5) for _ in range(2))
    assert np.array_equal(one.colouring.columns, two.colouring.columns)
    assert np.array_equal(one.colouring.rows, two.colouring.rows)


@given(seeds, sizes, sizes)
def test_first_fit_is_the_greedy_colouring_of_networkx(seed: int, rows: int, cols: int) -> None:
    pattern = random_pattern(seed, rows, cols)
    side, graph = column_side(pattern), conflicts(pattern)
    assert graph is not None
    reference = nx.Graph()
    reference.add_nodes_from(range(cols))
    reference.add_edges_from((v, u) for v, row in enumerate(graph) for u in row)
    filled = [v for v in range(cols) if side.lines[v]]
    degrees = [len(row) for row in graph]
    for order, strategy in (
        (natural(cols), lambda g, _: list(g)),
        (largest_first(degrees), "largest_first"),
        (smallest_last(graph), lambda _, __: smallest_last(graph)),
    ):
        found = first_fit(whole(side), rows, order)
        due = nx.greedy_color(reference, strategy)
        assert [found[v] for v in filled] == [due[v] for v in filled]


# Closed forms


@pytest.mark.parametrize(("lower", "upper"), list(itertools.product(range(4), repeat=2)))
def test_a_band_needs_its_width(lower: int, upper: int) -> None:
    pattern = band(30, lower, upper)
    width = lower + upper + 1
    for prices in ((1, None), (None, 1)):
        found = colour(pattern, *prices)
        assert (found.price, found.bound) == (width, width)
    assert colour(pattern, 1, 1).price <= width


@pytest.mark.parametrize("n", [4, 7, 50, 10_000])
def test_an_arrowhead_of_any_size_needs_two_tangents_and_one_adjoint(n: int) -> None:
    pattern = arrow(n)
    found = colour(pattern, 1, 1)
    assert (found.colouring.tangents, found.colouring.adjoints) == (2, 1)
    assert found.optimal
    assert misfit(pattern, found.colouring) is None
    assert_recovers(pattern, found.colouring)
    assert colour(pattern, 1, None).price == colour(pattern, None, 1).price == n


def test_prices_choose_the_side() -> None:
    pattern = arrow(100)
    assert colour(pattern, 1, 10).price == 12
    assert colour(pattern, 10, 1).price == 12
    assert colour(pattern, 1, 99).price == 100
    assert colour(pattern, 1, 99).colouring.adjoints == 0


@pytest.mark.parametrize(("n", "due"), [(6, 5), (12, 8), (18, 11)])
def test_eisenstat(n: int, due: int) -> None:
    """Published as n/2 + 2, from above: for n = 6 there is a colouring of 3 tangents and 1 adjoint."""
    found = colour(eisenstat(n), 1, 1)
    assert found.price <= due
    assert recovered_by_definition(eisenstat(n), found.colouring)
    assert_recovers(eisenstat(n), found.colouring)


# Published counts


@cache
def published() -> Any:
    path = DATA / "colouring.json"
    if not path.exists():
        pytest.skip(absent("colouring.json"))
    return json.loads(path.read_text())


def matrix(name: str) -> Pattern:
    """A matrix by name; skips the test where it is not found."""
    folder = os.environ.get("CHAINPLAN_MATRICES")
    if folder is None:
        spec = find_spec("openmdao")
        places = (spec.submodule_search_locations if spec else None) or ["."]
        folder = os.path.join(places[0], "test_suite", "matrices")
    path = Path(folder) / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{name}.npz is not in {folder}; set CHAINPLAN_MATRICES to the folder of openmdao's matrices")
    found: Pattern = csr_array(load_npz(path))
    found.sort_indices()
    return found


@pytest.mark.parametrize("name", ["lp_cre_a", "lp_maros_r7", "e40r0100", "lp_dfl001"])
def test_partial_distance_2_counts_are_those_published(name: str) -> None:
    entry = next(entry for entry in published()["partial_distance2"] if entry["matrix"] == name)
    pattern = matrix(name)
    assert (*pattern.shape, pattern.nnz) == (entry["m"], entry["n"], entry["nnz"])
    found = {}
    for side, turned in (("col", pattern), ("row", pattern.T.tocsr())):
        vertices, graph = column_side(turned), conflicts(turned)
        assert graph is not None
        for order, sequence in (("natural", natural(len(graph))), ("LF", largest_first([len(row) for row in graph]))):
            found[f"{side}_{order}"] = max(first_fit(whole(vertices), turned.shape[0], sequence)) + 1
    due = {key: entry[key] for key in entry["reproduced"] if not key.endswith("SL")}
    assert {key: found[key] for key in due} == due


def bidirectional(name: str) -> int:
    """The least of the published totals."""
    tables = published()["bidirectional_openmdao_direct"], published()["bidirectional_star"]
    return min(int(table[name]) for table in tables if name in table)


@pytest.mark.parametrize(
    "name",
    ["n4c6-b15", "can_715", "lp_finnis", "ash608", "ash331", "D_6", "Harvard500", "illc1033", "fs_183_1"],
)
def test_bidirectional_totals_are_no_worse_than_published(name: str) -> None:
    pattern = matrix(name)
    found = colour(pattern, 1, 1, effort=0.2)
    assert found.bound <= found.price <= bidirectional(name)
    assert_recovers(pattern, found.colouring)


@pytest.mark.parametrize("name", ["can_715", "Harvard500", "n4c6-b15", "D_6", "lp_finnis", "lp_cre_a"])
def test_one_sided_counts_are_no_worse_than_published(name: str) -> None:
    pattern = matrix(name)
    due = tuple(published()["one_sided"][name])
    found = colour(pattern, 1, None, effort=0.2).price, colour(pattern, None, 1, effort=0.2).price
    assert found[0] <= due[0]
    assert found[1] <= due[1]


@pytest.mark.nightly
@pytest.mark.parametrize("prices", [(1, None), (None, 1), (1, 1), (1, 4), (4, 1)])
@pytest.mark.parametrize("name", ["e40r0100", "lp_maros_r7", "lp_cre_a", "lp_dfl001", "af23560", "bibd_12_5"])
def test_large_matrices_are_recovered(name: str, prices: tuple[int | None, int | None]) -> None:
    pattern = matrix(name)
    found = colour(pattern, *prices)
    assert found.bound <= found.price
    assert_recovers(pattern, found.colouring)
