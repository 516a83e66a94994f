"""Plans for ranges of sizes: the best at every size of one name, a proven factor for several, files, runs, pages."""

from __future__ import annotations

import copy
import json
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.io.variants_file import SavedVariants
from chainplan.plans.variants import Variants
from chainplan.problem.family import Family
from chainplan.report.html.page import render as page_of
from chainplan.solvers.sizes.boxes import prove_factor
from chainplan.solvers.sizes.moves import ChainMoves, at_points
from chainplan.solvers.sizes.pieces import Polynomial, sign_runs, through, trimmed, value
from chainplan.solvers.sizes.plan_orders import order_of
from chainplan_cli.main import main

STRUCTURES: tuple[Any, ...] = (
    "diagonal",
    "identity",
    "lower_triangular",
    "upper_triangular",
    "scaled_identity",
    {"banded": [1, 1]},
    {"banded": [3, 0]},
    {"banded": [30, 4]},
)


def random_family(draw: Random, names: str, structured: bool, free: bool = False) -> Family:
    """A chain of 2 to 10 factors some of whose sizes are names or multiples of names, each up to 1,000."""
    while True:
        ranges = {name: [draw.randint(1, 3), 10 ** draw.randint(1, 3)] for name in names}
        sizes: list[Any] = [_size(draw, names)]
        items: list[dict[str, Any]] = []
        for _ in range(draw.randint(2, 10)):
            square = structured and draw.random() < 0.5
            sizes.append(sizes[-1] if square else _size(draw, names))
            items.append({"shape": [sizes[-1], sizes[-2]]})
            if square:
                items[-1]["structure"] = draw.choice(STRUCTURES)
            elif free and draw.random() < 0.4:
                items[-1]["tangent"] = draw.choice([draw.randint(1, 9999), f"{draw.randint(1, 99)}*{names[0]}"])
                items[-1]["adjoint"] = draw.randint(1, 9999)
        if all(any(name in str(size) for size in sizes) for name in names):
            made = chainplan.chain(items, ranges=ranges)
            assert isinstance(made, Family)
            return made


def _size(draw: Random, names: str) -> Any:
    kind = draw.random()
    name = draw.choice(names)
    return name if kind < 0.4 else f"{draw.randint(2, 9)}*{name}" if kind < 0.5 else int(10 ** draw.uniform(0, 3))


def drawn_sizes(draw: Random, family: Family) -> dict[str, int]:
    return {name: int(low * (high / low) ** draw.random() + 0.5) for name, (low, high) in family.ranges.items()}


@cache
def cheapest(sizes: tuple[int, ...]) -> int:
    """The cost of the best order of a dense chain, by the textbook's recurrence."""
    q = len(sizes) - 1
    if q == 1:
        return 0
    splits = range(1, q)
    return min(cheapest(sizes[: k + 1]) + cheapest(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1] for k in splits)


@pytest.mark.parametrize("structured", [False, True])
def test_one_name_has_the_optimum_of_planning_at_every_size(structured: bool) -> None:
    check_one_name(Random(f"one-{structured}"), 6, 12, structured)


@pytest.mark.nightly
@pytest.mark.parametrize("structured", [False, True])
def test_one_name_has_the_optimum_of_planning_at_200_sizes_of_200_chains(structured: bool) -> None:
    check_one_name(Random(f"many-{structured}"), 200, 200, structured)


def check_one_name(draw: Random, chains: int, sizes: int, structured: bool) -> None:
    for _ in range(chains):
        family = random_family(draw, "n", structured, free=True)
        variants = chainplan.variants(family)
        assert variants.guarantee == 1
        ends = {size for each in variants.best for size in (each.first, each.last)}
        for n in sorted(ends | {drawn_sizes(draw, family)["n"] for _ in range(sizes)}):
            chosen, planned = variants.choose(n=n), chainplan.plan(family.at(n=n))
            assert (chosen.price, chosen.optimal_within) == (planned.price, "bracketings")
            one = next(each.variant for each in variants.best if each.first <= n <= each.last)
            assert variants.prices_at({"n": n})[one] == planned.price


def test_the_best_order_of_a_dense_chain_is_that_of_the_textbook_at_every_size() -> None:
    family = chainplan.chain([3, "n", 20, "2*n", 7, "n", 11], ranges={"n": [1, 60]})
    variants = chainplan.variants(family)
    for n in range(1, 61):
        assert variants.choose(n=n).price == cheapest((3, n, 20, 2 * n, 7, n, 11))


def test_the_factor_of_several_names_is_never_below_a_quotient_at_sampled_sizes() -> None:
    check_factors(Random("factors"), 9, 15, 1.25)


@pytest.mark.nightly
def test_the_factors_of_many_chains_are_never_below_a_quotient() -> None:
    check_factors(Random("many factors"), 300, 200, 2)


def check_factors(draw: Random, chains: int, sizes: int, most: float) -> None:
    for number in range(chains):
        family = random_family(draw, "ab" if number % 3 else "abc", structured=number % 2 == 1)
        variants = chainplan.variants(family, at_most=draw.choice([1, 2, 4]))
        assert variants.guarantee is not None
        worst = 1.0
        for _ in range(sizes):
            at = drawn_sizes(draw, family)
            chosen, planned = variants.choose(**at), chainplan.plan(family.at(**at))
            assert chosen.price is not None
            assert planned.price is not None
            assert chosen.price <= variants.guarantee * planned.price
            assert chosen.bound <= planned.price
            worst = max(worst, chosen.price / max(planned.price, 1))
        if len(variants.plans) == 4:
            assert variants.guarantee <= most


def test_fewer_variants_than_there_are_best_orders_have_a_proven_factor() -> None:
    family = chainplan.chain(["n", 9, "n", 100, "n", 20, "n"], ranges={"n": [1, 5000]})
    best, one = chainplan.variants(family), chainplan.variants(family, at_most=1)
    assert len(best.plans) > len(one.plans) == 1
    assert best.guarantee == 1
    assert one.guarantee is not None
    quotients = [one.choose(n=n).price / best.choose(n=n).price for n in range(1, 5001, 50)]  # type: ignore[operator]
    assert 1 < max(quotients) <= one.guarantee < 1.02 * max(quotients)


@pytest.mark.parametrize("first", [*STRUCTURES, "dense", "zero"])
@pytest.mark.parametrize("second", [*STRUCTURES, "dense", "zero"])
def test_a_product_has_the_same_price_at_one_size_and_at_many(first: Any, second: Any) -> None:
    family = chainplan.chain(
        [{"shape": ["n", "n"], "structure": first}, {"shape": ["n", "n"], "structure": second}], ranges={"n": [1, 60]}
    )
    assert isinstance(family, Family)
    (multiply,) = ChainMoves(family).moves[0, 2]
    sizes = [1, 2, 3, 5, 31, 60]
    planned = [chainplan.plan(family.at(n=n)).price for n in sizes]
    assert [multiply.price.at({"n": n}) for n in sizes] == planned
    assert (at_points(multiply.price, {"n": np.array(sizes)}) + np.zeros(len(sizes), int)).tolist() == planned


def test_signs_of_polynomials_are_those_of_their_values() -> None:
    draw = Random("signs")
    for _ in range(400):
        roots = [draw.randint(-3, 30) for _ in range(draw.randint(0, 4))]
        p: Polynomial = trimmed([draw.randint(-60, 60) for _ in range(draw.randint(0, 5))])
        if draw.random() < 0.5:
            p = through([(x, prod(x - root for root in roots)) for x in range(len(roots) + 1)])
        first = draw.randint(-5, 10)
        last = first + draw.randint(-1, 40)
        runs = sign_runs(p, first, last)
        signs = [(value(p, n) > 0) - (value(p, n) < 0) for n in range(first, last + 1)]
        assert [sign for a, b, sign in runs for _ in range(a, b + 1)] == signs
        assert all(a[2] != b[2] for a, b in pairwise(runs))


DAG = {
    "dag": {
        "sizes": {"x": "n", "a": 50, "b": "m", "y": 5},
        "inputs": ["x"],
        "outputs": ["y"],
        "jacobians": [{"edge": edge} for edge in (["x", "a"], ["a", "b"], ["x", "b"], ["a", "y"], ["b", "y"])],
    },
    "ranges": {"n": [1, 40], "m": [1, 30]},
}


def test_a_graph_has_variants_whose_factor_holds() -> None:
    family = chainplan.from_spec(DAG)
    assert isinstance(family, Family)
    variants = chainplan.variants(family, budget=1)
    assert variants.within == "vertex elimination"
    assert variants.guarantee is not None
    draw = Random("graph")
    for _ in range(10):
        at = drawn_sizes(draw, family)
        chosen, planned = variants.choose(**at), chainplan.plan(family.at(**at))
        assert planned.price is not None
        assert planned.price <= (chosen.price or 0) <= variants.guarantee * planned.price
        values = {e.name: np.ones((e.block.rows, e.block.cols)) for e in planned.problem.graph.elementals}
        found, other = chainplan.execute(variants, values), chainplan.execute(planned, values)
        assert np.array_equal(found["y", "x"], other["y", "x"])


def example() -> Variants:
    items: list[dict[str, Any]] = [{"shape": [64, "n"]}, {"shape": [64, 64], "structure": "diagonal"}]
    items += [{"shape": ["10*batch", 64]}, {"shape": [5, "10*batch"]}]
    return chainplan.variants(chainplan.chain(items, ranges={"n": [1, 100000], "batch": [1, 512]}))


def test_the_shapes_of_arrays_choose_the_plan() -> None:
    variants = example()
    for n, batch in ((1, 3), (70, 2)):
        values = {"F1": np.ones((64, n)), "F2": np.ones(64), "F3": np.ones((10 * batch, 64))}
        values["F4"] = np.ones((5, 10 * batch))
        assert variants.choose_for(values).problem == variants.family.at(n=n, batch=batch)
        assert chainplan.execute(variants, values)["x4", "x0"].tolist() == [[640.0 * batch] * n] * 5
    with pytest.raises(chainplan.ChainplanError, match="batch: found no array whose shape shows this size"):
        variants.choose_for({"F1": np.ones((64, 3))})
    with pytest.raises(chainplan.ChainplanError, match="'F4'"):
        chainplan.execute(variants, {"F1": values["F1"], "F2": np.ones(64), "F4": np.ones((5, 9)), "F3": values["F3"]})


def test_a_size_follows_from_a_product_once_the_others_are_known() -> None:
    variants = chainplan.variants(chainplan.chain(["a*b", 2, "3*a", "a*b*c"], ranges={n: [1, 9] for n in "cab"}))
    values = {"F1": np.ones((2, 10)), "F2": np.ones((6, 2)), "F3": np.ones((30, 6))}
    assert variants.choose_for(values).problem == variants.family.at(a=2, b=5, c=3)


def read(text: str, folder: Path) -> SavedVariants:
    path = folder / "variants.json"
    path.write_text(text)
    saved = chainplan.read_plan(path)
    assert isinstance(saved, SavedVariants)
    return saved


def test_a_file_of_variants_is_proven_again(tmp_path: Path) -> None:
    one = chainplan.variants(chainplan.chain(["n", 9, "n", 100, "n"], ranges={"n": [1, 5000]}))
    graph = chainplan.variants(chainplan.from_spec(DAG), budget=1)
    for variants in (example(), one, graph):
        text = chainplan.render(variants, "json")
        saved = read(text, tmp_path)
        assert str(chainplan.prove_again(saved)) == "proven again"
        assert saved.variants is not None
        again = chainplan.render(saved.variants, "json")
        assert json.loads(again) == json.loads(text)
    assert (
        chainplan.render(example(), "json").split('"seconds"')[0]
        == chainplan.render(example(), "json").split('"seconds"')[0]
    )


def test_forged_files_of_variants_are_refuted(tmp_path: Path) -> None:
    one = chainplan.variants(chainplan.chain(["n", 9, "n", 100, "n"], ranges={"n": [1, 5000]}))
    assert len(one.plans) == 3

    def swap(document: dict[str, Any]) -> None:
        for each in document["best"]:
            each["variant"] = 2 - each["variant"]

    def steps(document: dict[str, Any]) -> None:
        document["variants"][0]["steps"], document["variants"][0]["outputs"] = [], []

    def load(document: dict[str, Any]) -> None:
        document["variants"][0]["outputs"][0]["id"] = 0

    def least(document: dict[str, Any]) -> None:
        document["variants"][1]["cost"]["least"]["fma"] -= 1

    def ranged(document: dict[str, Any]) -> None:
        document["best"][-1]["to"] -= 1

    def within(document: dict[str, Any]) -> None:
        document["guarantee"]["within"] = "brackets"

    for forge in (swap, steps, load, least, ranged, within):
        document = json.loads(chainplan.render(one, "json"))
        forge(document)
        assert str(chainplan.prove_again(read(json.dumps(document), tmp_path))).startswith("refuted: "), forge
    honest = json.loads(chainplan.render(example(), "json"))
    few = copy.deepcopy(honest)
    few["variants"] = few["variants"][:1]
    assert "at n = " in str(chainplan.prove_again(read(json.dumps(few), tmp_path)))
    near = copy.deepcopy(honest)
    near["guarantee"]["factor"] = 1.0001
    assert str(chainplan.prove_again(read(json.dumps(near), tmp_path))).startswith(("NOT proven again", "refuted"))


@pytest.mark.parametrize(
    ("sizes", "most", "share"),
    [(["b", 200, "n", "b", 200], 3, 0.995), (["b", "n", 300, "n"], 1, 0.995), ([300, "n", "b", 50, "n", 50], 3, 0.97)],
)
def test_a_factor_that_is_almost_right_is_refuted_by_sizes(
    sizes: list[Any], most: int, share: float, tmp_path: Path
) -> None:
    family = chainplan.chain(sizes, ranges={"n": [1, 100000], "b": [1, 512]})
    assert isinstance(family, Family)
    variants = chainplan.variants(family, at_most=most)
    moves = ChainMoves(family)
    orders = [order_of(moves, each) for each in variants.plans]
    met = prove_factor(moves, orders, list(family.ranges.values()), lambda: True, near=1.001).met
    document = json.loads(chainplan.render(variants, "json"))
    document["guarantee"]["factor"] = 1 + share * (met - 1)
    verdict = chainplan.prove_again(read(json.dumps(document), tmp_path))
    assert str(verdict).startswith("refuted: ")
    assert "times the cheapest plan" in str(verdict)


def test_a_false_factor_of_a_graph_is_refuted_by_planning_at_sizes(tmp_path: Path) -> None:
    document = json.loads(chainplan.render(chainplan.variants(chainplan.from_spec(DAG), budget=1), "json"))
    document["variants"], document["guarantee"]["factor"] = document["variants"][:1], 1.2
    assert "at n = " in str(chainplan.prove_again(read(json.dumps(document), tmp_path), 2.0))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d["guarantee"].update(factor=0.9), "guarantee.factor is 0.9; expected a number from 1"),
        (lambda d: d["variants"][0]["steps"][0].update(elemental="G"), r"variants\[0\]: steps\[0\].elemental is 'G'"),
        (lambda d: (d["variants"].clear(), d["problem"].update(name="steps")), "variants is empty"),
        (lambda d: d.update(more=1), "more is no field of a plan file of variants"),
        (lambda d: d["problem"]["ranges"].update(n=[1, 7]), "the fingerprint is not that of the problem"),
    ],
)
def test_a_malformed_file_of_variants_is_refused(change: Any, text: str, tmp_path: Path) -> None:
    document = json.loads(chainplan.render(example(), "json"))
    change(document)
    with pytest.raises(chainplan.ChainplanError, match=text):
        read(json.dumps(document), tmp_path)


def test_variants_are_shown_as_text_and_markdown_and_pages_are_for_sizes() -> None:
    variants = example()
    text, markdown = (chainplan.render(variants, form) for form in ("text", "markdown"))
    for name in ("n from 1 to 100,000 and batch from 1 to 512", "never costs more than", "F3"):
        assert name in text
        assert name.split("_")[0] in markdown
    assert text.splitlines()[-3].strip().startswith("1")
    with pytest.raises(chainplan.ChainplanError, match="format 'html' shows one plan"):
        chainplan.render(variants, "html")
    assert "<html" in page_of(variants.choose(n=3, batch=4))
    assert str(chainplan.variants(chainplan.chain(["n", 3, 4], ranges={"n": [1, 5]}))) == (
        "For n from 1 to 5, it is the cheapest within bracketings at every size."
    )


def test_the_command_plans_checks_and_runs_ranges_of_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, plan, arrays = (str(tmp_path / name) for name in ("s.yaml", "p.json", "a.npz"))
    Path(spec).write_text("chain: [n, 30, batch, 10, 2*n]\nranges: {n: [1, 300], batch: [1, 64]}\n")
    assert main(["plan", spec]) == 0
    assert "at every size the best of them never costs more than" in capsys.readouterr().out
    assert main(["plan", spec, "--format", "json", "-o", plan]) == 0
    assert main(["check", plan, "--require-proof"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "proven again"
    assert main(["run", plan, "--sizes", "n=20,batch=3", "--dtype", "int64"]) == 0
    assert "x0 (20) -> x4 (40)" in capsys.readouterr().out
    shapes = {"F1": (30, 7), "F2": (5, 30), "F3": (10, 5), "F4": (14, 10)}
    np.savez(arrays, **{name: np.ones(shape) for name, shape in shapes.items()})  # type: ignore[arg-type]
    assert main(["run", plan, "--jacobians", arrays]) == 0
    assert "x0 (7) -> x4 (14)" in capsys.readouterr().out
    assert main(["run", spec]) == 0
    assert main(["plan", spec, "--sizes", "n=9,batch=2"]) == 0
    assert "proven optimal within bracketings" in capsys.readouterr().out
    for arguments, text in (
        (["plan", spec, "--nodes", "3"], "--nodes is for one problem"),
        (["plan", spec, "--format", "html"], "format 'html' shows one plan"),
        (["plan", spec, "--sizes", "n=9"], "batch: found no size"),
        (["plan", spec, "--sizes", "n=9,batch=x"], "--sizes: found 'batch=x'"),
        (["explain", spec], "Add --sizes n=8,batch=8"),
        (["report", plan], "Add --sizes n=8,batch=8"),
        (["compare", spec], "Add --sizes n=8,batch=8"),
    ):
        assert main(arguments) == 2
        assert text in capsys.readouterr().err
