"""Pages in a real browser: they open without a complaint, play the plan, keep their width, run no one else's code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chainplan
from chainplan.problem.problem import Problem
from chainplan.report.html import page as html
from chainplan.report.html import steps
from tests import pages
from tests.browser import Browser, browser
from tests.reference import ROOT

WIDTHS = (1280, 390)
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_COMPARED_SOLVER_SECONDS", 0.05)
    monkeypatch.setattr(html, "MAX_PAGE_REASON_SECONDS", 0.3)


PROBLEMS: dict[str, Any] = {
    "seed chain": lambda: chainplan.read(EXAMPLES / "seed_chain.yaml"),
    "structured chain": lambda: chainplan.read(EXAMPLES / "structured_chain.yaml"),
    "matrix-free under a limit": pages.limited_chain,
    "dag of 30 vertices": pages.dag_30,
    "layers": lambda: chainplan.read(EXAMPLES / "layers" / "mlp_batch.yaml"),
    "5,000 steps": lambda: pages.long_chain(2501),
    "hostile chain": lambda: pages.hostile_chain(60),
    "hostile dag": pages.hostile_dag,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page and the plan file of each problem, made once."""
    made: dict[str, tuple[Path, dict[str, Any]]] = {}

    def page(name: str) -> tuple[Path, dict[str, Any]]:
        if name not in made:
            path = tmp_path_factory.mktemp("pages") / "r.html"
            made[name] = path, pages.write(PROBLEMS[name](), path)[1]
        return made[name]

    return page


def price(words: str) -> int:
    return int(words.replace(",", ""))


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_opens_without_a_complaint_at_two_widths(name: str, window: Browser, saved: Any) -> None:
    path, _ = saved(name)
    shots = []
    for width in WIDTHS:
        window.open(path, width)
        assert window.complaints() == []
        assert window.run("return document.documentElement.scrollWidth <= innerWidth")
        shots.append(window.screenshot())
        assert shots[-1].startswith(b"\x89PNG")
    assert shots[0] != shots[1]
    assert window.run("return window.pwned") is None
    assert window.run("return document.querySelectorAll('script').length") == 2
    assert window.run("return document.querySelectorAll('img, b, style ~ style, [onmouseover]').length") == 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_steps_play_forward_and_back(name: str, window: Browser, saved: Any) -> None:
    path, plan = saved(name)
    window.open(path)
    last = len(plan["steps"]) - 1
    seen = [window.words("said")]
    for _ in range(min(last, 6)):
        window.click("next")
        seen.append(window.words("said"))
    assert len(set(seen)) == len(seen)
    for position, said in enumerate(seen):
        step = plan["steps"][position]
        assert said.startswith(f"Step {position:,} of {last:,}: {step['op']} ")
    for said in reversed(seen[:-1]):
        window.click("back")
        assert window.words("said") == said
    assert window.run("return document.getElementById('back').disabled")
    window.press("next", "END")
    assert window.words("said").startswith(f"Step {last:,} of {last:,}: ")
    assert window.run("return document.getElementById('next').disabled")
    window.press("slider", "ARROW_LEFT")
    assert window.words("said").startswith(f"Step {last - 1:,} of {last:,}: ")
    window.press("back", "HOME")
    assert window.words("said") == seen[0]
    window.press("next", "ARROW_RIGHT")
    assert window.words("said") == seen[1]
    assert window.complaints() == []


@pytest.mark.parametrize("name", ["seed chain", "structured chain", "matrix-free under a limit", "dag of 30 vertices"])
def test_the_numbers_on_the_page_are_those_of_the_plan_file(name: str, window: Browser, saved: Any) -> None:
    path, plan = saved(name)
    window.open(path)
    total = 0
    for position, step in enumerate(plan["steps"]):
        total += step["fma"]
        rows = window.rows()
        row = rows[position % 100]
        assert (row[0], row[1].split()[0], price(row[6]), price(row[8])) == (
            f"#{position}",
            step["op"],
            step["fma"],
            total,
        )
        assert row[4] == f"{step['rows']:,} × {step['cols']:,}"
        assert window.words("cost") == f"{total:,} of {plan['cost']['fma']:,} fma"
        window.run("document.getElementById('next').click()")
    assert total == plan["cost"]["fma"]
    headline = window.words("headline")
    assert headline.startswith(f"{total:,} fma")
    assert f"{min(plan['baselines'][o]['fma'] for o in ('forward', 'reverse')):,}" in headline
    assert f"Peak {plan['cost']['peak_elements']:,} elements" in window.run("return document.body.textContent")


def test_vertices_vanish_until_inputs_and_outputs_are_left(window: Browser, saved: Any) -> None:
    path, plan = saved("dag of 30 vertices")
    window.open(path)
    counts = []
    for _ in plan["steps"]:
        counts.append(window.run("return document.querySelectorAll('#state circle.vertex').length"))
        window.run("document.getElementById('next').click()")
    assert counts[0] == 30
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] <= 8
    window.press("first", "END")
    kinds = window.run(
        "return [...document.querySelectorAll('#state circle.vertex')].map(c => c.classList.contains('end'))"
    )
    assert sum(kinds) == 6


def test_the_table_of_a_long_plan_follows_the_step(window: Browser, saved: Any) -> None:
    path, plan = saved("5,000 steps")
    assert len(plan["steps"]) == 5001
    window.open(path)
    assert len(window.rows()) == 100
    window.run("const n = document.getElementById('number'); n.value = 4321; n.dispatchEvent(new Event('change'))")
    rows = window.rows()
    assert [row[0] for row in rows] == [f"#{i}" for i in range(4300, 4400)]
    current = window.run(
        "return [...document.querySelectorAll('#rows [aria-current]')].map(r => r.cells[0].textContent)"
    )
    assert current == ["#4321"]
    assert price(rows[21][6]) == plan["steps"][4321]["fma"]
    assert "Steps 4,300 to 4,399 of 5,001" in window.words("steps-caption")
    window.run("document.querySelector('#rows tr:nth-child(3) button').click()")
    assert window.words("said").startswith("Step 4,302 of 5,000")


def test_a_plan_that_is_cut_plays_over_the_gaps(
    window: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MAX_EMBEDDED_STEPS", 1000)
    monkeypatch.setattr(steps, "EMBEDDED_END_STEPS", 50)
    monkeypatch.setattr(steps, "EMBEDDED_DEAREST_STEPS", 100)
    _, plan = pages.write(pages.hostile_chain(1200), tmp_path / "r.html")
    window.open(tmp_path / "r.html")
    window.run("const s = document.getElementById('slider'); s.value = 120; s.dispatchEvent(new Event('input'))")
    found = re.match(r"Step ([\d,]+) of 2,398: (\w+)", window.words("said"))
    assert found is not None
    position = price(found[1])
    assert position > 120
    assert plan["steps"][position]["op"] == found[2]
    window.press("next", "END")
    assert window.words("said").startswith("Step 2,398 of 2,398: multiply")
    assert window.complaints() == []
    assert window.run("return window.pwned") is None


def test_dark_and_print(window: Browser, saved: Any) -> None:
    path, _ = saved("seed chain")
    colour = "return getComputedStyle(document.body).backgroundColor"
    window.open(path)
    light = window.run(colour)
    window.open(path, dark=True)
    assert window.run(colour) != light
    shown = "return getComputedStyle(document.querySelector('.controls')).display"
    assert window.run(shown) == "flex"
    window.open(path, media="print")
    assert window.run(shown) == "none"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(dark: bool, window: Browser, saved: Any) -> None:
    """WCAG 2.2, 1.4.3: text to background at least 4.5 to 1; 1.4.11: strokes at least 3 to 1."""
    window.open(saved("seed chain")[0], dark=dark)
    names = ("page", "card", "ink", "soft", "held", "left", "right", "made", "warn", "fill")
    read = """const s = getComputedStyle(document.documentElement);
      return arguments[0].map(n => s.getPropertyValue('--' + n))"""
    colours = dict(zip(names, (c.strip() for c in window.run(read, names)), strict=True))
    for behind in ("page", "card", "fill"):
        for ink in ("ink", "soft", "held", "left", "right", "made", "warn"):
            least = 3.0 if behind == "fill" and ink != "ink" else 4.5
            assert contrast(colours[ink], colours[behind]) >= least, (ink, behind)


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["seed chain", "dag of 30 vertices"])
def test_everything_that_acts_or_shows_has_a_name(name: str, window: Browser, saved: Any) -> None:
    window.open(saved(name)[0])
    nameless = """
      const named = e => e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length);
      const acts = [...document.querySelectorAll("button, input, a, section, [tabindex]")];
      const shows = [...document.querySelectorAll("svg[role=img]")];
      const loose = [...document.querySelectorAll("body svg:not([role]):not([aria-hidden])")];
      const bad = [...acts.filter(e => !named(e)), ...shows.filter(e => !e.getAttribute("aria-label"))];
      return [...bad, ...loose.filter(s => !s.closest("svg[role]"))].map(e => e.outerHTML.slice(0, 80));
    """
    assert window.run(nameless) == []
    assert window.run("return document.documentElement.lang") == "en"
    assert window.run("return document.querySelectorAll('h1').length") == 1
    assert window.run("return [...document.querySelectorAll('th')].every(t => t.scope === 'col')")


def test_without_scripts_the_table_and_the_reasons_are_there(window: Browser, saved: Any) -> None:
    path, plan = saved("seed chain")
    bare = path.with_name("bare.html")
    page = path.read_text(encoding="utf-8")
    bare.write_text(re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL), encoding="utf-8")
    window.open(bare)
    assert [row[0] for row in window.rows()] == [f"#{i}" for i in range(len(plan["steps"]))]
    assert [price(row[6]) for row in window.rows()] == [step["fma"] for step in plan["steps"]]
    assert window.run("return getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert "runner-up: split at x2" in window.run("return document.body.textContent")


@pytest.mark.nightly
@pytest.mark.parametrize(
    "problem", [lambda: pages.hostile_chain(100_000), lambda: pages.long_chain(5001)], ids=["10^5", "10^4 steps"]
)
def test_the_largest_pages_open(problem: Any, window: Browser, tmp_path: Path) -> None:
    made: Problem = problem()
    path = tmp_path / "r.html"
    pages.write(made, path)
    assert path.stat().st_size < 4_000_000
    window.open(path)
    assert window.complaints() == []
    window.press("next", "END")
    assert window.words("said").startswith(f"Step {2 * len(made.graph.elementals) - 2:,} of ")
    timing = window.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"{path.stat().st_size:,} bytes, loaded after {timing:.0f} ms")
    assert window.run("return window.pwned") is None
