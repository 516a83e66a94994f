"""The laws of structures: what the exact solvers rest on."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainplan.structures import (
    DENSE,
    DIAGONAL,
    PLAIN_STRUCTURES,
    STRUCTURES,
    Banded,
    Block,
    Outline,
    Structure,
    UnitEntries,
    Zero,
    from_spec,
    product,
    product_fma,
    sum_adds,
    total,
)
from chainplan.structures.banded import band_products_fma
from chainplan.structures.envelope import outline
from chainplan.structures.explicit import Explicit
from chainplan.structures.registry import STRUCTURE_NAMES, STRUCTURE_READERS
from tests.structures import any_structure, band_family, fitting, random_spec

seeds = st.integers(0, 10**9)
widths = st.integers(0, 5)
factors = st.sampled_from([1, 2, 3, 4, 6, 12])
tags = st.sampled_from([None, UnitEntries(True, False, 1), UnitEntries(False, True, -1), UnitEntries(True, True, 0)])
on_diagonal = [PLAIN_STRUCTURES[n] for n in ("identity", "negated_identity", "sign", "scaled_identity", "diagonal")]
closed = {
    "bands": st.one_of(
        st.sampled_from(
            [DENSE, Zero(), PLAIN_STRUCTURES["lower_triangular"], PLAIN_STRUCTURES["upper_triangular"], *on_diagonal]
        ),
        st.builds(Banded, widths, widths),
    ),
    "outlines": st.one_of(
        st.sampled_from([Zero(), *on_diagonal]), st.builds(Outline, widths, widths, factors, factors, tags)
    ),
}
"""Families whose products and sums are symbolic, without a shape."""
sizes = st.sampled_from([0, 1, 2, 3, 4, 6])


def pattern(block: Block) -> np.ndarray:
    """Where a block may be nonzero, from the definition."""
    m, n = block.rows, block.cols
    cells = [[block.structure.holds(i, j, m, n) for j in range(n)] for i in range(m)]
    return np.array(cells, dtype=bool).reshape(m, n)


def blocks_of(seed: int, *shape: int) -> list[Block]:
    """Random blocks of shape[1] x shape[0], shape[2] x shape[1], ... with structures that fit."""
    rng = random.Random(seed)
    return [Block(m, n, any_structure(rng, m, n)) for n, m in itertools.pairwise(shape)]


def same(a: Block, b: Block) -> None:
    """Two blocks that are counted in the same way, whatever describes them."""
    assert (a.rows, a.cols, a.structure.units) == (b.rows, b.cols, b.structure.units)
    assert (pattern(a) == pattern(b)).all()


def test_every_structure_is_drawn_by_the_tests() -> None:
    rng = random.Random(0)
    drawn = {type(any_structure(rng, *rng.choice([(6, 6), (6, 3), (2, 6)]))) for _ in range(3000)}
    assert drawn == {*STRUCTURES, Explicit} - {Outline}
    assert {type(band_family(rng, 3, 3)) for _ in range(500)} <= drawn


@pytest.mark.parametrize("family", closed)
@given(st.data())
def test_closed_families_are_semirings(family: str, data: st.DataObject) -> None:
    a, b, c = (data.draw(closed[family]) for _ in range(3))
    p, t = product, total
    assert p(p(a, b), c) == p(a, p(b, c))  # type: ignore[arg-type]
    assert p(t(a, b), c) == t(p(a, c), p(b, c))  # type: ignore[arg-type]
    assert p(c, t(a, b)) == t(p(c, a), p(c, b))  # type: ignore[arg-type]
    assert t(a, b) == t(b, a)
    assert t(a, Zero()) == a
    assert p(a, b).transpose() == p(b.transpose(), a.transpose())  # type: ignore[union-attr]
    assert a.transpose().transpose() == a


def exactly(seed: int, *shape: int) -> list[Block]:
    """Blocks of any structures as listed patterns, where all results are exact."""
    from chainplan.structures.explicit import explicit

    return [b._replace(structure=explicit(b.structure, b.rows, b.cols)) for b in blocks_of(seed, *shape)]


@given(seeds, sizes, sizes, sizes, sizes)
def test_exact_products_are_associative(seed: int, n: int, k: int, l: int, m: int) -> None:  # noqa: E741
    c, b, a = exactly(seed, n, k, l, m)
    same(a.times(b).times(c), a.times(b.times(c)))


@given(seeds, sizes, sizes, sizes)
def test_exact_products_distribute_over_sums(seed: int, n: int, k: int, m: int) -> None:
    c, a = exactly(seed, n, k, m)
    b = exactly(seed + 1, k, m)[0]
    same(a.plus(b).times(c), a.times(c).plus(b.times(c)))
    same(c.transpose().times(a.plus(b).transpose()), a.times(c).plus(b.times(c)).transpose())
    same(a.plus(b), b.plus(a))


@given(seeds, sizes, sizes, sizes)
def test_exact_products_and_sums_are_those_of_boolean_matrices(seed: int, n: int, k: int, m: int) -> None:
    b, a = exactly(seed, n, k, m)
    assert (pattern(a.times(b)) == (pattern(a).astype(int) @ pattern(b).astype(int) > 0)).all()
    c = exactly(seed + 1, k, m)[0]
    assert (pattern(a.plus(c)) == (pattern(a) | pattern(c))).all()


@given(seeds, sizes, sizes, sizes)
def test_transpose_reverses_the_product(seed: int, n: int, k: int, m: int) -> None:
    b, a = blocks_of(seed, n, k, m)
    same(a.times(b).transpose(), b.transpose().times(a.transpose()))
    assert a.transpose().transpose() == a


@given(seeds, sizes, sizes)
def test_counts_agree_with_the_pattern(seed: int, rows: int, cols: int) -> None:
    (block,) = blocks_of(seed, cols, rows)
    for structure in (block.structure, outline(block.structure, rows, cols)):
        one = Block(rows, cols, structure)
        cells = pattern(one)
        assert one.nnz == cells.sum()
        assert listed(structure.column_counts(rows, cols)) == cells.sum(axis=0).tolist()
        assert listed(structure.row_counts(rows, cols)) == cells.sum(axis=1).tolist()
        assert (pattern(one.transpose()) == cells.T).all()
        assert (structure.pattern(rows, cols).toarray() == cells).all()


def test_the_outline_of_a_listed_pattern_is_tight() -> None:
    from chainplan.structures.explicit import explicit

    for word, argument, shape in (
        ("block_diagonal", [4, 3, 2], (12, 8)),
        ("kronecker", [[3, 2], 4], (12, 8)),
        ("banded", [1, 2], (9, 9)),
        ("permutation", [1, 0, 3, 2, 5, 4], (6, 6)),
    ):
        structure = from_spec(word, argument, shape, Path())
        bound = Block(*shape, outline(explicit(structure, *shape), *shape))
        assert (pattern(Block(*shape, structure)) <= pattern(bound)).all()
        assert bound.nnz == (12 if word == "permutation" else Block(*shape, structure).nnz)


def listed(counts: tuple[tuple[int, int, int], ...]) -> list[int]:
    return [first + slope * t for length, first, slope in counts for t in range(length)]


@pytest.mark.parametrize("left_word", STRUCTURE_NAMES[:-1])
@pytest.mark.parametrize("right_word", STRUCTURE_NAMES[:-1])
def test_fma_of_every_pair_is_the_triple_loop_count(left_word: str, right_word: str) -> None:
    rng = random.Random(left_word + right_word)
    found = 0
    for m, k, n in rng.sample(list(itertools.product([1, 2, 3, 4, 6], repeat=3)), 60):
        structures = fitting(rng, left_word, m, k), fitting(rng, right_word, k, n)
        if None not in structures:
            found += 1
            one_product(Block(m, k, structures[0]), Block(k, n, structures[1]))  # type: ignore[arg-type]
    assert found or {left_word, right_word} & {"permutation"}


def one_product(left: Block, right: Block) -> None:
    a, b = pattern(left), pattern(right)
    m, k, n = left.rows, left.cols, right.cols
    loops = sum(int(a[i, t] and b[t, j]) for i in range(m) for t in range(k) for j in range(n))
    free = left.structure.unit or right.structure.unit
    assert product_fma(left, right) == (0 if free else loops)
    truth, covered = (a.astype(int) @ b.astype(int)) > 0, pattern(left.times(right))
    assert (truth <= covered).all()
    if m == k == n or not any(isinstance(b.structure, Banded) for b in (left, right)):
        assert (truth == covered).all()
    outlined = [Block(x.rows, x.cols, outline(x.structure, x.rows, x.cols)) for x in (left, right)]
    assert (truth <= pattern(outlined[0].times(outlined[1]))).all()
    assert product_fma(*outlined) >= product_fma(left, right)


@given(seeds, sizes, sizes)
def test_sum_pattern_is_covered_and_adds_are_the_overlap(seed: int, n: int, m: int) -> None:
    left, right = blocks_of(seed, n, m)[0], blocks_of(seed + 1, n, m)[0]
    a, b, both = pattern(left), pattern(right), pattern(left.plus(right))
    assert ((a | b) <= both).all()
    if (both == (a | b)).all():
        assert sum_adds(left, right) == (a & b).sum()


def values(rng: np.random.Generator, block: Block) -> np.ndarray:
    """Integers with the pattern of a block, and of plus and minus ones where its structure says so."""
    units = block.structure.units
    signs = {None: rng.integers(1, 5, (block.rows, block.cols)), 1: 1, -1: -1}
    unknown = rng.choice([-1, 1], (block.rows, block.cols))
    chosen = signs[None] if units is None else unknown if units.sign == 0 else signs[units.sign]
    found: np.ndarray = pattern(block) * chosen
    return found


@given(seeds, sizes, sizes, sizes)
def test_a_unit_product_has_only_the_ones_it_promises(seed: int, n: int, k: int, m: int) -> None:
    right, left = exactly(seed, n, k, m)
    rng, block = np.random.default_rng(seed), left.times(right)
    found, units = values(rng, left) @ values(rng, right), block.structure.units
    if units is not None:
        assert (np.abs(found) == pattern(block)).all()
        assert not units.sign or (found == units.sign * pattern(block)).all()
        assert not units.rows or (np.abs(found).sum(axis=1) <= 1).all()
        assert not units.cols or (np.abs(found).sum(axis=0) <= 1).all()


def test_a_band_of_a_trillion_is_counted_exactly() -> None:
    n = 10**12
    assert Block(n, n, Banded(1, 1)).nnz == 3 * n - 2
    assert product_fma(Block(n, n, Banded(1, 1)), Block(n, n, Banded(1, 1))) == 9 * n - 10
    assert product_fma(Block(n, n), Block(n, n)) == n**3
    lower = Block(n, n, PLAIN_STRUCTURES["lower_triangular"])
    assert lower.nnz == n * (n + 1) // 2
    assert lower.times(lower) == lower
    assert lower.times(lower.transpose()).structure == DENSE


@pytest.mark.parametrize("word", STRUCTURE_NAMES[:-1])
def test_spec_form_is_read_back(word: str) -> None:
    rng, (rows, cols) = random.Random(word), {"replicate": (6, 3), "reduce": (3, 6)}.get(word, (6, 6))
    sample = next(s for _ in range(99) if (s := fitting(rng, word, rows, cols)))
    form = sample.to_spec(rows, cols)
    name, argument = (form, None) if isinstance(form, str) else next(iter(form.items()))
    assert from_spec(name, argument, (rows, cols), Path()) == sample
    with pytest.raises(ValueError):
        from_spec(word, "nonsense", (rows, cols), Path())


BAD: list[tuple[str, Any, str]] = [
    ("permutation", [0, 0, 1], "every column once"),
    ("permutation", [0, 1], "each of the 3 rows"),
    ("selection", [0, 1, 3], "below 3"),
    ("selection", [0, 1, "-1"], "from 0"),
    ("scatter", [0, 1], "each of the 3 columns"),
    ("coo", [[0, 0], [0, 0]], "once"),
    ("coo", [[0, 3]], "below 3"),
    ("coo", [[0]], "pairs"),
    ("block_diagonal", [2, 2, 2], "3 x 3, not 4 x 4"),
    ("block_diagonal", [0, 2, 2], "b blocks"),
    ("kronecker", [3, [1, 1]], "A ⊗ I_k"),
    ("replicate", "every", "each"),
    ("sparse", "nowhere.npz", "found no file"),
    ("sparse", ["a"], "a file"),
]


@pytest.mark.parametrize(("word", "argument", "expected"), BAD)
def test_a_misfit_is_refused_with_what_was_expected(word: str, argument: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        from_spec(word, argument, (3, 3), Path())


def test_a_pattern_file_is_read_beside_the_spec_and_never_unpickled(tmp_path: Path) -> None:
    from scipy.sparse import csc_array, save_npz

    cells = np.array([[0, 2.5, 0], [1, 0, 0]])
    save_npz(tmp_path / "p.npz", csc_array(cells))
    found = from_spec("sparse", "p.npz", (2, 3), tmp_path)
    assert (pattern(Block(2, 3, found)) == (cells != 0)).all()
    with pytest.raises(ValueError, match="2 x 3"):
        from_spec("sparse", "p.npz", (3, 3), tmp_path)
    np.savez(tmp_path / "q.npz", format=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"q\.npz"):
        from_spec("sparse", "q.npz", None, tmp_path)


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 7), min_size=1))
def test_band_products_at_once_are_those_one_by_one(cases: list[tuple[int, ...]]) -> None:
    m, k, n, *widths_ = np.array(cases).T
    at_once = band_products_fma((m, k, n), (widths_[0], widths_[1]), (widths_[2], widths_[3]))
    one_by_one = [product_fma(Block(m, k, Banded(a, b)), Block(k, n, Banded(c, d))) for m, k, n, a, b, c, d in cases]
    assert at_once.tolist() == one_by_one


def test_words_and_diagonal_are_what_the_table_says() -> None:
    assert PLAIN_STRUCTURES["diagonal"] == DIAGONAL
    assert not set(PLAIN_STRUCTURES) & set(STRUCTURE_READERS)
    assert isinstance(random_spec(random.Random(0), "coo", 2, 2), list)
    assert isinstance(any_structure(random.Random(0), 2, 2), Structure)
