"""Colours of symmetric patterns recover every nonzero, are as few as published, and no fewer than the bounds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import block_array, csr_array, eye_array, kron

from chainplan.colouring.symmetric import (
    SymmetricColouring,
    SymmetricWitness,
    colour_symmetric,
    decompress_symmetric,
    proven_colours,
    recovery_of,
    seed_symmetric,
    symmetric_misfit,
)
from chainplan.colouring.symmetric.adjacency import adjacency
from chainplan.colouring.symmetric.exhaustive import fewest_colours
from chainplan.colouring.symmetric.first_fit import first_fit, most_constrained_first
from chainplan.colouring.symmetric.local_rules import UNDECIDED, local_rules
from chainplan.colouring.vertex_orders import (
    dynamic_largest_first,
    incidence_degree,
    largest_first,
    natural,
    smallest_last,
)
from chainplan.errors import ShapeError
from tests.oracles.symmetric_colouring import fewest, is_acyclic, is_star, read_off, substituted
from tests.test_colouring import arrow, band, cells_of, matrix, pattern_of, published

if TYPE_CHECKING:
    from chainplan.colouring.recovery import Pattern

WAYS = [False, True]
seeds = st.integers(0, 2**32)
ways = st.sampled_from(WAYS)


def symmetric(seed: int, size: int, diagonal: bool) -> Pattern:
    """A random symmetric pattern, its diagonal full or random."""
    rng = np.random.default_rng(seed)
    cells = rng.random((size, size)) < rng.random() ** 2
    cells |= cells.T
    cells[np.diag_indices(size)] = diagonal | (rng.random(size) < 0.5)
    return pattern_of(cells)


def grid(rows: int, cols: int, seed: int | None = None) -> Pattern:
    """The five-point stencil on a grid, its points numbered row by row or, with a seed, in any order."""
    one, other = band(rows, 1, 1), band(cols, 1, 1)
    found = csr_array(kron(one, eye_array(cols)) + kron(eye_array(rows), other))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(rows * cols)
        found = csr_array(found[order][:, order])
    found.sort_indices()
    return found


def augmented(pattern: Pattern) -> Pattern:
    """The symmetric pattern with an unsymmetric one and its transpose beside a diagonal of zeros."""
    blocks: Any = [[None, pattern], [pattern.T, None]]
    found: Pattern = csr_array(block_array(blocks))
    found.sort_indices()
    return found


def assert_recovered(pattern: Pattern, colouring: SymmetricColouring, seed: int = 0) -> None:
    """Random integers on the pattern, compressed and decompressed, come back as they were."""
    size = pattern.shape[0]
    half = np.random.default_rng(seed).integers(1, 2**40, size=(size, size))
    values = (half + half.T)[pattern.nonzero()]
    hessian = csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)
    found = decompress_symmetric(pattern, colouring, (hessian @ seed_symmetric(colouring)).toarray())
    assert np.array_equal(found.indptr, pattern.indptr)
    assert np.array_equal(found.indices, pattern.indices)
    assert np.array_equal(found.data, values)
    place = recovery_of(pattern, colouring).place
    places = csr_array((place + 1, pattern.indices, pattern.indptr), shape=pattern.shape).toarray()
    assert np.array_equal(places, places.T)  # so that rounded numbers are symmetric too


@given(seeds, st.integers(1, 14), st.booleans(), ways)
def test_every_colouring_recovers_exactly_and_has_no_fewer_colours_than_the_bound(
    seed: int, size: int, diagonal: bool, substitution: bool
) -> None:
    pattern = symmetric(seed, size, diagonal)
    found = colour_symmetric(pattern, substitution=substitution, effort=0.01, seed=seed)
    assert symmetric_misfit(pattern, found.colouring) is None
    assert (substituted if substitution else read_off)(cells_of(pattern), found.colouring.colours.tolist())
    assert_recovered(pattern, found.colouring, seed)
    assert found.bound <= found.colouring.products
    assert proven_colours(adjacency(pattern), substitution, found.witness) >= found.bound


@given(seeds, st.integers(1, 5), st.booleans(), ways)
def test_tiny_patterns_are_solved_exactly(seed: int, size: int, diagonal: bool, substitution: bool) -> None:
    pattern = symmetric(seed, size, diagonal)
    found, due = colour_symmetric(pattern, substitution=substitution), fewest(cells_of(pattern), substitution)
    assert (found.colouring.products, found.bound, found.optimal) == (due, due, True)
    graph = adjacency(pattern)
    assert fewest_colours(graph, substitution, 0, size, 10**9).least == due
    for chosen in (range(size), random.Random(seed).sample(range(size), (size + 1) // 2)):
        for kind in ("clique", "count", "search"):
            assert proven_colours(graph, substitution, SymmetricWitness(kind, tuple(chosen))) <= due


@given(seeds, st.integers(1, 9), st.booleans(), st.integers(1, 5))
def test_the_judge_is_the_definition(seed: int, size: int, diagonal: bool, most: int) -> None:
    pattern, rng = symmetric(seed, size, diagonal), random.Random(seed)
    cells = cells_of(pattern)
    for _ in range(6):
        colours = [rng.randrange(0 if rng.random() < 0.8 else -1, most) for _ in range(size)]
        direct, other = (symmetric_misfit(pattern, SymmetricColouring.of(colours, way)) is None for way in WAYS)
        assert direct == read_off(cells, colours)
        assert other == substituted(cells, colours)
        if other:
            assert_recovered(pattern, SymmetricColouring.of(colours, True))
        if diagonal and min(colours) >= 0:
            assert direct == is_star(cells, colours)
            assert other == is_acyclic(cells, colours)
        else:
            assert other or not direct


@given(seeds, st.integers(1, 9), st.booleans(), ways)
def test_what_fits_vertex_by_vertex_fits_as_a_whole(seed: int, size: int, diagonal: bool, substitution: bool) -> None:
    pattern, rng = symmetric(seed, size, diagonal), random.Random(seed)
    rules = local_rules(adjacency(pattern), substitution)
    for v in rng.sample(range(size), size):
        for colour in rng.sample(range(-1, 4), 5):
            rules.put(v, colour)
            decided = [u for u in range(size) if rules.colours[u] != UNDECIDED]
            part = cells_of(pattern)[np.ix_(decided, decided)]
            fits = (substituted if substitution else read_off)(part, [rules.colours[u] for u in decided])
            assert rules.fits(v) == fits
            if fits:
                break
        else:
            rules.put(v, UNDECIDED)


@given(seeds, st.integers(1, 12))
def test_greedy_colourings_are_star_and_acyclic_in_every_order(seed: int, size: int) -> None:
    pattern = symmetric(seed, size, True)
    rows, cells = adjacency(pattern).neighbours, cells_of(pattern)
    orders = [natural(size), largest_first([*map(len, rows)]), smallest_last(rows)]
    orders += [incidence_degree(rows), dynamic_largest_first(rows), random.Random(seed).sample(range(size), size)]
    for order in orders:
        assert sorted(order) == [*range(size)]
        assert is_star(cells, first_fit(rows, False, order))
        assert is_acyclic(cells, first_fit(rows, True, order))
    assert is_star(cells, most_constrained_first(rows, False))
    assert is_acyclic(cells, most_constrained_first(rows, True))


def test_first_fit_takes_the_least_colour_that_is_possible() -> None:
    for seed in range(30):
        pattern, order = symmetric(seed, 10, True), random.Random(seed).sample(range(10), 10)
        for substitution, holds in ((False, is_star), (True, is_acyclic)):
            found = first_fit(adjacency(pattern).neighbours, substitution, order)
            for k, v in enumerate(order):
                part = cells_of(pattern)[np.ix_(order[: k + 1], order[: k + 1])]
                before = [found[u] for u in order[:k]]
                assert found[v] == next(c for c in range(10) if holds(part, [*before, c]))


@given(seeds, st.integers(1, 15))
def test_orders_by_degree_are_those_of_their_names(seed: int, size: int) -> None:
    rows = adjacency(symmetric(seed, size, True)).neighbours
    for order, sign in ((incidence_degree(rows), 1), (dynamic_largest_first(rows), -1)):
        for k, v in enumerate(order):
            placed = set(order[:k])
            known = {
                u: len(placed.intersection(rows[u])) if sign > 0 else len(set(rows[u]) - placed) for u in order[k:]
            }
            assert known[v] == max(known.values())


# Closed forms and published counts


@pytest.mark.parametrize("half", [1, 2, 3, 5, 10])
def test_a_symmetric_band_takes_its_width_read_off_and_half_of_it_substituted(half: int) -> None:
    """Gebremedhin, Tarafdar, Pothen & Walther, INFORMS J. Comput. 21(2), 2009, section 5.1."""
    pattern = band(300, half, half)
    direct, other = (colour_symmetric(pattern, substitution=way) for way in WAYS)
    assert direct.colouring.products == 2 * half + 1
    assert direct.optimal or half > 3
    assert (other.colouring.products, other.optimal) == (half + 1, True)


@pytest.mark.parametrize("n", [4, 50, 2000])
def test_an_arrowhead_takes_two_products(n: int) -> None:
    for substitution in WAYS:
        found = colour_symmetric(arrow(n), substitution=substitution)
        assert (found.colouring.products, found.optimal) == (2, True)
        assert_recovered(arrow(min(n, 50)), colour_symmetric(arrow(min(n, 50)), substitution=substitution).colouring)


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (9, 30), (20, 21), pytest.param(316, 317, id="large")])
def test_a_grid_takes_five_products_or_three(rows: int, cols: int) -> None:
    """Five: Fertin, Raspaud & Reed, J. Graph Theory 47, 2004; three: Fertin, Godard & Raspaud, IPL 87, 2003."""
    for substitution, due in ((False, 5), (True, 3)):
        found = colour_symmetric(grid(rows, cols), substitution=substitution)
        assert (found.colouring.products, found.bound) == (due, due)
        assert symmetric_misfit(grid(rows, cols), found.colouring) is None


def test_a_grid_in_any_order_takes_as_many_products() -> None:
    for seed in range(3):
        found = colour_symmetric(grid(20, 25, seed))
        assert (found.colouring.products, found.bound) == (5, 5)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 9])
def test_complete_graphs_stars_and_cycles(n: int) -> None:
    full, ring = np.ones((n, n)), np.eye(n) + np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0)
    for substitution in WAYS:
        assert colour_symmetric(pattern_of(full), substitution=substitution).bound == n
    due = 4 if n == 5 else 3
    found = colour_symmetric(pattern_of(ring != 0))
    assert (found.colouring.products, found.bound) == (due, due)
    other = colour_symmetric(pattern_of(ring != 0), substitution=True)
    assert (other.colouring.products, other.bound) == (3, 3)


def test_zeros_on_the_diagonal_save_products() -> None:
    """Vertices without a loop need no colour where their neighbours tell, and may share that of a neighbour."""
    one_pair = pattern_of([[0, 1], [1, 0]])
    assert colour_symmetric(one_pair).colouring.products == 1
    saddle = pattern_of(np.block([[np.eye(6), np.ones((6, 1))], [np.ones((1, 6)), np.zeros((1, 1))]]) != 0)
    found = colour_symmetric(saddle)
    assert (found.colouring.products, found.optimal) == (2, True)


@pytest.mark.parametrize("name", ["can_715", "Harvard500", "fs_183_1", "n4c6-b15"])
def test_two_sided_colourings_by_the_augmented_matrix_are_no_worse_than_published(name: str) -> None:
    """A direct colouring of [0 J; Jᵀ 0] is one of J from both sides; the totals are of star bicolourings."""
    pattern = augmented(matrix(name))
    found = colour_symmetric(pattern, effort=0.2)
    assert found.bound <= found.colouring.products <= published()["bidirectional_star"][name]
    assert_recovered(pattern, found.colouring)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "due"), [("mrng1", 8), ("mrng2", 9), ("598a", 27), ("144", 28), ("m14b", 29), ("auto", 29)]
)
def test_stars_of_meshes_are_no_more_than_published(name: str, due: int) -> None:
    """Gebremedhin, Manne & Pothen, SIAM Rev. 47(4), 2005, Tables 4.1 and 4.2, the fewer colours of both columns."""
    found = colour_symmetric(matrix(name))
    assert found.colouring.products <= due


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(40))
def test_no_more_colours_than_asdex(seed: int) -> None:
    asdex = pytest.importorskip("asdex")
    rng = np.random.default_rng(seed)
    pattern = symmetric(seed, int(rng.integers(5, 60)), seed % 2 == 0) if seed < 30 else grid(12, 15, seed)
    i, j = pattern.nonzero()
    _, count, _ = asdex.color_symmetric(asdex.SparsityPattern.from_dense(cells_of(pattern)))
    assert i.size == j.size == pattern.nnz
    assert colour_symmetric(pattern, effort=0.2).colouring.products <= count


# Misuse and messages


def test_misuse_has_a_message() -> None:
    with pytest.raises(ShapeError, match="2 x 3"):
        colour_symmetric(pattern_of([[1, 1, 0], [0, 1, 1]]))
    with pytest.raises(ShapeError, match=r"nonzero \(0, 1\) and none \(1, 0\)"):
        colour_symmetric(pattern_of([[1, 1], [0, 1]]))
    with pytest.raises(ValueError, match="effort"):
        colour_symmetric(pattern_of([[1]]), effort=-1)
    with pytest.raises(ShapeError, match="2 x 2 given; 2 x 1 are due"):
        decompress_symmetric(pattern_of(np.eye(2)), SymmetricColouring.of([0, 0]), np.ones((2, 2)))
    with pytest.raises(ShapeError, match="Colour the pattern anew"):
        recovery_of(pattern_of(np.ones((2, 2))), SymmetricColouring.of([0, 0]))


def test_misfits_name_an_entry_and_the_reason() -> None:
    path = pattern_of(band(4, 1, 1).toarray())
    assert symmetric_misfit(path, SymmetricColouring.of([0, 1, 2])) == (
        "it has colours for 3 columns, but the pattern has 4."
    )
    assert symmetric_misfit(path, SymmetricColouring.of([0, 1, 0, 1])) == (
        "nonzero (1, 2) cannot be recovered directly: column 2 shares colour 0 with column 0 in row 1, "
        "and column 1 shares colour 1 with column 3 in row 2."
    )
    ring = pattern_of((band(4, 1, 1) + np.eye(4)[::-1] > 0).astype(int))
    assert symmetric_misfit(ring, SymmetricColouring.of([0, 1, 0, 1], True)) == (
        "nonzero (0, 1) cannot be recovered by substitution: it is in a part of 4 equations for 4 nonzeros, "
        "with a cycle of two colours."
    )
    assert symmetric_misfit(path, SymmetricColouring.of([-1, -1, 0, 1], True)) == (
        "nonzero (0, 0) cannot be recovered: neither column is coloured."
    )


def test_nothing_to_recover_needs_no_product() -> None:
    for size in (0, 5):
        empty: Pattern = csr_array((size, size))
        for substitution in WAYS:
            found = colour_symmetric(empty, substitution=substitution)
            assert (found.colouring.products, found.bound) == (0, 0)
            assert_recovered(empty, found.colouring)


def test_the_same_input_gives_the_same_colouring() -> None:
    pattern = symmetric(7, 40, True)
    one, two = (colour_symmetric(pattern, seed=5, effort=0.1).colouring.colours for _ in range(2))
    assert np.array_equal(one, two)


def test_what_is_left_out_without_time_is_said() -> None:
    pattern: Any = symmetric(3, 60, True)
    found = colour_symmetric(pattern, in_time=lambda: False)
    assert (found.method, found.whole) == ("natural", False)
    assert symmetric_misfit(pattern, found.colouring) is None
