"""Slides: three orders beside each other with their costs, as a file that stands alone, and what notebooks show."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import chainplan
from chainplan.errors import PlanError
from chainplan.problem.products import Products
from chainplan.report.slide import MAX_SLIDE_LEAVES, slide
from chainplan_cli.main import main
from tests.problems import chain_problem, random_dag
from tests.reference import ROOT

SVG = "{http://www.w3.org/2000/svg}"
SEED = str(ROOT / "examples" / "seed_chain.yaml")
DIAMOND = {
    "name": "diamond",
    "dag": {
        "sizes": {"x": 20, "a": 2, "b": 30, "c": 1, "d": 30, "y": 25},
        "jacobians": [{"edge": list(edge)} for edge in ("xa", "ab", "bc", "cd", "ad", "dy")],
        "inputs": ["x"],
        "outputs": ["y"],
    },
}


def texts(root: ElementTree.Element, style: str) -> list[str]:
    return ["".join(t.itertext()) for t in root.iter(f"{SVG}text") if style in (t.get("class") or "").split()]


def drawn(problem: chainplan.Problem, **options: Any) -> tuple[chainplan.Result, ElementTree.Element]:
    result = chainplan.plan(problem, **options)
    return result, ElementTree.fromstring(slide(result))


def number(words: str) -> int:
    return int(words.split()[0].replace(",", ""))


@pytest.mark.parametrize("sizes", [[1000, 1, 1000, 1, 1000], [3, 4], [7, 2, 9, 4, 1, 8, 8]], ids=str)
def test_three_orders_of_a_chain_stand_beside_each_other(sizes: list[int]) -> None:
    result, root = drawn(chain_problem(sizes))
    assert texts(root, "panel") == ["Forward order", "Reverse order", "The plan"]
    assert result.price is not None
    prices = [result.baselines.forward, result.baselines.reverse, result.price]
    assert list(map(number, texts(root, "price"))) == prices
    bars = [float(r.get("width", "")) for r in root.iter(f"{SVG}rect") if (r.get("class") or "").startswith("bar")]
    rooms = [float(r.get("width", "")) for r in root.iter(f"{SVG}rect") if r.get("class") == "room"]
    for bar, room, price in zip(bars, rooms, prices, strict=True):
        assert bar == pytest.approx(max(3, room * price / max(prices)) if max(prices) else 3, abs=0.11)
    circles = [c for c in root.iter(f"{SVG}circle") if c.get("class") == "dot"]
    assert len(circles) == 3 * (min(len(sizes) - 1, MAX_SLIDE_LEAVES) - 1)


def test_blocks_are_to_scale() -> None:
    _, root = drawn(chain_problem([40, 20, 80]))
    sides = [
        (float(r.get("width", "")), float(r.get("height", "")))
        for r in root.iter(f"{SVG}rect")
        if "blk" in (r.get("class") or "")
    ]
    (wide, high), (wide_first, high_first) = sides
    assert wide / high == pytest.approx(20 / 80, rel=0.01)
    assert wide_first / high_first == pytest.approx(40 / 20, rel=0.01)
    assert high / high_first == pytest.approx(80 / 20, rel=0.01)


def panels_of_vertices(root: ElementTree.Element) -> Iterator[list[tuple[int, str, int]]]:
    """Of each drawn graph: the number in each marked vertex, its name, and the figure below it."""
    for group in root.iter(f"{SVG}g"):
        marks = []
        for vertex in group.findall(f"{SVG}g"):
            inside, below = ("".join(t.itertext()) for t in vertex.iter(f"{SVG}text"))
            if ": " in below:
                marks.append((int(inside), below.split(": ")[0], number(below.split(": ")[1])))
        if marks:
            yield sorted(marks)


def test_orders_of_elimination_of_a_graph() -> None:
    """Every intermediate vertex has its place, and the figures below the vertices add up to the cost."""
    checked = 0
    for problem in (chainplan.from_spec(DIAMOND), *(random_dag(random.Random(seed)) for seed in range(120))):
        graph = problem.graph
        inside = {e.source for e in graph.useful} & set(graph.outputs) or not all(e.explicit for e in graph.useful)
        if graph.not_a_chain is None or not 4 < len(graph.sizes) <= 12 or inside:
            continue
        _, root = drawn(problem)
        found = list(panels_of_vertices(root))
        if not found:
            continue
        checked += 1
        for marks, words in zip(found, texts(root, "price"), strict=True):
            assert [place for place, _, _ in marks] == list(range(1, len(marks) + 1))
            assert sum(price for _, _, price in marks) == number(words)
        place = {v: i for i, v in enumerate(graph.order)}
        forward, reverse = ([place[name] for _, name, _ in marks] for marks in found[:2])
        assert forward == sorted(forward)
        assert reverse == sorted(reverse, reverse=True)
    assert checked > 5


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_has_a_slide_that_stands_alone(path: Path) -> None:
    problem = chainplan.read(path)
    text = slide(chainplan.plan(problem, "greedy" if problem.graph.not_a_chain else "auto"))
    assert not re.findall(r"var\(|@import|<script|https?://(?!www\.w3\.org/2000/svg)", text)
    root = ElementTree.fromstring(text)
    width = float(root.get("width", ""))
    style = root.find(f"{SVG}style")
    assert style is not None
    assert all(line.startswith(".chainplan ") for line in (style.text or "").strip().splitlines())
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for name in re.findall(r"url\(#(\w+)\)", text):
        assert name in ids
    assert all(float(t.get("x", "0")) <= width for t in root.iter(f"{SVG}text"))


def test_long_chains_and_large_graphs_stay_legible() -> None:
    _, root = drawn(chain_problem([1 + i % 7 for i in range(400)]))
    assert float(root.get("width", "")) < 2000
    assert len(list(root.iter(f"{SVG}circle"))) == 3 * (MAX_SLIDE_LEAVES - 1)
    graph = chainplan.read(ROOT / "examples" / "graphs" / "scalar_graph.yaml")
    _, root = drawn(graph, solver="greedy")
    assert float(root.get("height", "")) < 800
    assert not list(root.iter(f"{SVG}circle"))


def test_the_picture_for_teachers_is_what_the_command_draws(tmp_path: Path) -> None:
    target = tmp_path / "slide.svg"
    assert main(["draw", str(ROOT / "examples" / "neither_mode.yaml"), "-o", str(target)]) == 0
    assert target.read_text() == (ROOT / "docs" / "slide.svg").read_text()


def test_neither_mode_is_best_on_the_graph_of_that_name() -> None:
    result = chainplan.plan(chainplan.read(ROOT / "examples" / "neither_mode.yaml"))
    assert result.price is not None
    assert 1.8 * result.price < result.baselines.best
    assert result.optimal_within == "vertex elimination"


def test_names_are_never_markup() -> None:
    name = "<script>alert(1)</script>&"
    problem = chainplan.chain([{"name": name, "shape": [3, 2]}, {"shape": [4, 3]}], name=name)
    text = slide(chainplan.plan(problem))
    assert "<script" not in text
    assert name in texts(ElementTree.fromstring(text), "title")


def test_what_has_no_slide_is_refused_and_notebooks_show_the_rest() -> None:
    products = chainplan.plan(chainplan.chain([30, 20, 10], products=Products(right=5)))
    second = chainplan.plan(chainplan.from_spec({"chain": [2, 3, 2], "derivative": 2}))
    none = chainplan.plan(chainplan.chain([30, 20, 10], memory=1))
    for result, word in ((products, "products with vectors"), (second, "second derivative"), (none, "no plan")):
        with pytest.raises(PlanError, match=word):
            slide(result)
        assert result._repr_svg_() is None
        html = result._repr_html_()
        assert html is not None
        assert "<svg" not in html
        ElementTree.fromstring(html)


def test_a_notebook_shows_headline_figures_steps_and_slide() -> None:
    result = chainplan.plan(chainplan.read(SEED))
    assert result._repr_svg_() == slide(result)
    html = result._repr_html_()
    assert html is not None
    assert slide(result) in html
    for words in ("1,002,000 fma instead of 3,000,000", "<td>forward</td><td>3,000,000 fma</td>", "7 steps", "#6"):
        assert words in html


def cairo() -> None:
    try:
        pytest.importorskip("cairosvg", reason="CairoSVG is not installed; pip install '.[draw]'")
    except OSError:
        pytest.skip("the library cairo is missing; apt-get install libcairo2")


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("svg", b"<svg ")])
def test_the_suffix_says_what_is_written(suffix: str, begin: bytes, tmp_path: Path) -> None:
    if suffix != "svg":
        cairo()
    target = tmp_path / f"slide.{suffix}"
    assert main(["draw", SEED, "-o", str(target)]) == 0
    assert target.read_bytes().startswith(begin)


def test_a_plan_file_is_drawn_like_its_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, one, other = (str(tmp_path / name) for name in ("plan.json", "one.svg", "other.svg"))
    assert main(["plan", SEED, "--format", "json", "-o", plan]) == 0
    assert main(["draw", SEED, "-o", one]) == main(["draw", plan, "-o", other]) == 0
    mine, saved = (ElementTree.parse(path).getroot() for path in (one, other))
    for style in ("panel", "price", "name", "small"):
        assert texts(mine, style) == texts(saved, style)
    assert "claimed by the file to be optimal" in Path(other).read_text()
    assert main(["draw", plan, "--seed", "3", "-o", other]) == 2
    assert "not planned again" in capsys.readouterr().err


def test_other_suffixes_and_missing_packages_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["draw", SEED, "-o", str(tmp_path / "slide.gif")]) == 2
    assert "expected one of .svg, .png, .pdf" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)
    assert main(["draw", SEED, "-o", str(tmp_path / "slide.png")]) == 2
    assert "pip install '.[draw]', or write slide.svg" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
