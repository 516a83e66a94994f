"""The page of a result as a file: its figures, its escapes, its size; how it looks and plays is `test_browser`."""

from __future__ import annotations

import json
import random
import re
from html import unescape
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest

import chainplan
from chainplan.io.plan_file import document
from chainplan.report.html import charts, frame, steps, tree
from chainplan.report.html import page as html
from chainplan.report.html.dag import vertices
from chainplan.report.html.layers import layout
from chainplan.report.html.markup import embedded, text
from chainplan.report.html.spy import spy
from chainplan.report.words.figures import brief, figure, label
from chainplan.structures import Block
from chainplan_cli.main import main
from tests import pages
from tests.problems import random_problem
from tests.reference import ROOT
from tests.structures import any_structure

SEED = ROOT / "examples" / "seed_chain.yaml"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are about what is known, not about how long is searched."""
    monkeypatch.setattr(html, "MAX_COMPARED_SOLVER_SECONDS", 0.05)
    monkeypatch.setattr(html, "MAX_PAGE_REASON_SECONDS", 0.3)


class Tags(HTMLParser):
    """Every tag with its attributes, and whether they nest."""

    VOID = ("meta", "link", "input", "wbr", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def checked(page: str) -> Tags:
    """A page that is well-formed, runs one script and asks for nothing from elsewhere."""
    found = Tags(page)
    assert found.open == []
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert [s.get("type") for s in scripts] == ["application/json", None]
    assert sum(tag == "style" for tag, _ in found.tags) == 1
    for tag, attributes in found.tags:
        assert tag not in ("img", "iframe", "object", "embed", "base", "form", "a") or attributes == {
            "class": "skip",
            "href": "#main",
        }
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
        assert attributes.get("href") in (None, "data:,", "#main")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    identities = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    return found


def test_the_seed_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.html"
    assert main(["report", str(SEED), "-o", str(out)]) == 0
    assert "1,002,000 fma" in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    checked(page)
    assert (
        "1,002,000 fma instead of 3,000,000: 2.99x fewer than the best of forward and reverse; proven optimal." in page
    )
    assert "(F4·(F3·F2))·F1" in page
    assert "runner-up: split at x2, 1,002,000,000" in page


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_figures_are_those_of_the_plan_file(path: Path, tmp_path: Path) -> None:
    out, plan = tmp_path / "r.html", tmp_path / "plan.json"
    assert main(["plan", str(path), "--format", "json", "-o", str(plan)]) == 0
    assert main(["report", str(plan), "-o", str(out)]) == 0
    page, saved = out.read_text(encoding="utf-8"), json.loads(plan.read_text(encoding="utf-8"))
    checked(page)
    data = pages.embedded(page)
    played = data["steps"]
    for name, field in (("id", "id"), ("rows", "rows"), ("cols", "cols"), ("price", "fma")):
        assert played[name] == [step[field] for step in saved["steps"]]
    assert [played["ops"][op].split()[0] for op in played["op"]] == [step["op"] for step in saved["steps"]]
    assert (data["total"], data["peak"]) == (saved["cost"]["fma"], saved["cost"]["peak_elements"])
    assert played["sofar"][-1] == saved["cost"]["fma"]
    assert max(played["alive"]) == saved["cost"]["peak_elements"]


@pytest.mark.parametrize("seed", range(60))
def test_any_problem_has_a_page(seed: int) -> None:
    objective = "weighted" if seed % 5 == 0 else None
    result = chainplan.plan(random_problem(seed), budget=0.5, objective=objective)
    checked(chainplan.render(result, "html"))


@pytest.mark.parametrize("problem", [pages.hostile_chain(60), pages.hostile_dag()], ids=["chain", "dag"])
def test_names_are_shown_and_never_parsed(problem: chainplan.Problem) -> None:
    page = html.render(chainplan.plan(problem, budget=1.0))
    checked(page)
    assert "<script>window" not in page
    assert "&lt;script&gt;window.pwned" in page
    assert "\u202e" not in page


def test_templates_escape_what_they_are_filled_with() -> None:
    """Sentences and cells go into templates as they are; drawings escape their own words and are marked as markup."""
    for mark in pages.MARKUP:
        shown = text(mark).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        why = frame.filled("why.html", id="why", title="Why", groups=[(mark, [mark])])
        table = {"name": mark, "rows": [(mark,), (mark,)], "caption": mark, "right": {0}, "tall": False}
        compared = frame.filled("table.html", id="a", title=mark, notes=[mark], **table)
        assert (why.count(shown), compared.count(shown)) == (2, 6)
        assert mark not in why + compared


def test_markup_is_marked_as_such_in_one_place() -> None:
    folder = ROOT / "src" / "chainplan" / "report"
    code = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    templates = [path.read_text(encoding="utf-8") for path in folder.rglob("*.html")]
    assert len(templates) > 8
    assert sum(text.count("Markup(") for text in code) == 1
    assert not [text for text in templates if re.search(r"\bsafe\b|autoescape", text)]


def test_what_fills_a_slot_is_not_filled_again() -> None:
    names = ("title", "name", "about", "headline", "tiles", "notes", "sections", "footer", "data")
    page = frame.framed({name: "{{script}}" if name == "name" else "" for name in names})
    assert "<h1>{{script}}</h1>" in page


def test_the_policy_names_style_and_script_by_their_hashes() -> None:
    page = html.render(chainplan.plan(chainplan.read(SEED)))
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert content is not None
        assert f"{tag}-src '{frame._hashed(content[1])}'" in policy[1]


def test_numbers_and_names_travel_whole() -> None:
    for value in (2**53 - 1, "</script>", "<!--", "\u2028", "é\ud800"):
        shown = embedded([value])
        assert json.loads(shown) == [value]
        assert not set("<>&\u2028") & {*shown}
    assert json.loads(embedded({"a": (2**53, -(10**30))})) == {"a": [str(2**53), str(-(10**30))]}
    assert text("a\nb\x00\u202e" + '<"&') == "a\\nb\\x00\\u202e&lt;&quot;&amp;"
    assert label("x" * 50, 10) == "x" * 9 + "…"
    assert (figure(10**15 - 1), figure(1234 * 10**12)) == ("999,999,999,999,999", "1.234·10^15")
    assert (brief(9_999_999), brief(10**12)) == ("9,999,999", "1.00·10^12")


def test_a_spy_plot_fills_the_cells_that_hold_an_entry() -> None:
    rng = random.Random(0)
    looked = 0
    for _ in range(300):
        rows, cols = rng.choice([(5, 5), (40, 40), (70, 35), (12, 90), (64, 64)])
        structure = any_structure(rng, rows, cols)
        across, down, path = spy(Block(rows, cols, structure))
        filled = set()
        for x, y, wide in re.findall(r"M(\d+) (\d+)h(\d+)v1", path):
            filled |= {(int(y), int(x) + k) for k in range(int(wide))}
        if not path:
            filled = {(y, x) for y in range(down) for x in range(across)}
        expected = {
            (i * down // rows, j * across // cols)
            for i in range(rows)
            for j in range(cols)
            if structure.holds(i, j, rows, cols)
        }
        assert filled == expected
        looked += structure.name != "dense"
    assert looked > 100


def test_spy_plots_of_huge_bands_are_exact() -> None:
    n = 10**12
    for problem in (
        {"shape": [n, n], "structure": "diagonal"},
        {"shape": [n, n], "structure": {"banded": [n // 8, 0]}},
        {"shape": [n, n], "structure": "lower_triangular"},
    ):
        (e,) = chainplan.chain([problem]).graph.elementals
        small = chainplan.chain([{**problem, "shape": [320, 320]}]) if e.block.structure.name != "banded" else None
        across, down, path = spy(e.block)
        assert (across, down) == (32, 32)
        if small is not None:
            assert spy(small.graph.elementals[0].block)[2] == path
        else:
            assert path.startswith("M0 0h1v1h-1z")
            assert "M27 31h5v1h-5z" in path


def test_a_layout_puts_every_vertex_in_a_place_of_its_own_and_edges_to_the_right() -> None:
    for problem in (pages.dag_30(), pages.hostile_dag(), *(random_problem(s) for s in range(40))):
        order = vertices(problem.graph)
        if not order:
            continue
        found = layout(problem.graph, order)
        at = dict(zip(order, found.places, strict=True))
        taken = [*found.places, *(point for way in found.ways.values() for point in way)]
        for a, b in combinations(taken, 2):
            assert abs(a[0] - b[0]) > 20 or abs(a[1] - b[1]) > 20
        for e in problem.graph.useful:
            assert at[e.source][0] < at[e.target][0]
        assert all(0 < x < found.width and 0 < y < found.height for x, y in taken)


@pytest.mark.parametrize("count", [1, 2, 16, 17, 400])
def test_a_tree_of_any_length_is_drawn_and_says_what_it_leaves_out(count: int) -> None:
    result = chainplan.plan(pages.long_chain(count))
    assert result.plan is not None
    assert result.priced is not None
    drawing, words = tree.picture(result.plan, result.priced, "fma")
    svg = str(drawing)
    boxes = svg.count('class="leaf"')
    assert boxes == (count if count <= tree.MAX_WHOLE_TREE_LEAVES else tree.MAX_TREE_EXCERPT_LEAVES)
    inside = sum(int(n) for n in re.findall(r">([\d,]+)</text><text class=\"small\"[^>]*>factors<", svg))
    assert svg.count(">loaded<") + inside == count
    assert ("stay closed" in words) == (count > tree.MAX_WHOLE_TREE_LEAVES)


def test_a_long_plan_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MAX_EMBEDDED_STEPS", 4000)
    result = chainplan.plan(pages.long_chain(2501))
    page = html.render(result)
    checked(page)
    data = pages.embedded(page)
    assert result.priced is not None
    assert data["count"] == 5001
    ids = data["steps"]["id"]
    assert len(ids) < 4000
    assert f"{len(ids):,} of them are on this page" in page
    assert ids == sorted(set(ids))
    assert {0, 5000, result.priced.prices.index(max(result.priced.prices))} <= {*ids}
    for i, position in enumerate(ids):
        assert data["steps"]["sofar"][i] == sum(result.priced.prices[: position + 1])
        assert data["steps"]["alive"][i] == result.priced.alive[position]


def test_a_timeline_keeps_the_peak() -> None:
    rng = random.Random(3)
    alive = [rng.randrange(1000) for _ in range(5000)]
    alive[1234] = 5000
    chart = charts.timeline(alive, None)
    assert "Peak 5,000 elements, at step 1,234." in chart
    assert "Each point is the most of 9 steps." in chart
    assert chart.count("V") <= charts.MAX_TIMELINE_POINTS + 2
    assert "V4.00H1242" in chart
    assert 'class="limit"' in charts.timeline([5, 9], 10)
    assert "no steps" in charts.timeline([], None)


def test_a_schedule_is_drawn_where_there_is_one() -> None:
    result = chainplan.plan(chainplan.read(SEED))
    tasks = [{"id": 2, "machine": 0, "start": 0, "end": 14}, {"id": "<b>", "machine": 1, "start": 3, "end": 10}]
    schedule = {"machines": 2, "makespan": 14, "bound": 12, "status": "feasible", "within": "this plan", "tasks": tasks}
    page = html.page(result, {**document(result), "schedule": schedule})
    checked(page)
    assert "Makespan 14 on 2 machines. No schedule takes less than 12 within this plan. Status: feasible." in page
    assert "step 2: 0 to 14 on machine 0" in page
    assert "&lt;b&gt;" in page
    assert 'id="schedule"' not in html.page(result, document(result))
    for broken in ({}, {"machines": "many", "makespan": 1, "tasks": []}, [1], {**schedule, "tasks": [{"id": 1}]}):
        assert "cannot draw" in charts.gantt(broken)
    many = {
        "machines": 10**9,
        "makespan": 3,
        "tasks": [{"id": i, "machine": i, "start": 0, "end": 3} for i in range(99)],
    }
    assert "The 64 longest of 99 tasks on the first 64 machines are drawn." in charts.gantt(many)


def test_a_page_for_several_machines(tmp_path: Path) -> None:
    spec, plan = str(ROOT / "examples" / "matrix_free_chain.yaml"), tmp_path / "plan.json"
    assert main(["plan", spec, "--machines", "3", "--format", "json", "-o", str(plan)]) == 0
    for number, argv in enumerate(([str(plan)], [spec, "--machines", "3"])):
        out = tmp_path / f"{number}.html"
        assert main(["report", *argv, "-o", str(out)]) == 0
        page, schedule = out.read_text(encoding="utf-8"), json.loads(plan.read_text(encoding="utf-8"))["schedule"]
        checked(page)
        proof = "claimed by the file: optimal" if number == 0 else "proven optimal"
        assert f"Makespan {schedule['makespan']:,} fma on 3 machines, {proof}" in page
        for task in schedule["tasks"]:
            assert f"step {task['id']}: {task['start']} to {task['end']} on machine {task['machine']}" in page


def test_a_page_shows_the_best_plan_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever was asked; and the page of a plan file, which is about that plan, says that there is a cheaper one."""
    plan, out = tmp_path / "plan.json", tmp_path / "r.html"
    assert main(["report", str(SEED), "--solver", "forward", "-o", str(out)]) == 0
    assert "1,002,000 fma" in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert pages.embedded(page)["total"] == 1_002_000
    assert "'forward' found one of 3,000,000 fma; this plan is by" in unescape(page)
    assert main(["plan", str(SEED), "--solver", "forward", "--format", "html", "-o", str(out)]) == 0
    assert pages.embedded(out.read_text(encoding="utf-8"))["total"] == 1_002_000
    assert main(["plan", str(SEED), "--solver", "forward", "--format", "json", "-o", str(plan)]) == 0
    assert main(["report", str(plan), "-o", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert pages.embedded(page)["total"] == 3_000_000
    assert "This plan is not the cheapest: 'chain-dense' finds one of 1,002,000." in unescape(page)


@pytest.mark.parametrize("seed", range(20))
def test_no_solver_on_a_page_has_a_cheaper_plan(seed: int) -> None:
    result = chainplan.plan(random_problem(seed), ("greedy", "reverse")[seed % 2], nodes=0)
    compared = html.comparison(result)
    best = html.cheapest(result, compared)
    found = [other.price for _, other in compared.results if other.price is not None]
    assert best.price == min([*found, result.price or 0])
    assert (best is result) == (result.price == best.price)
    assert html.cheapest(best, compared) is best


def test_a_plan_file_that_claims_too_much_has_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = tmp_path / "plan.json", tmp_path / "r.html"
    assert main(["plan", str(SEED), "--format", "json", "-o", str(plan)]) == 0
    plan.write_text(plan.read_text(encoding="utf-8").replace("1002000", "1001000"), encoding="utf-8")
    assert main(["report", str(plan), "-o", str(out)]) == 1
    assert "is claimed to be 1001000, but it is 1002000" in capsys.readouterr().err
    assert not out.exists()
    assert main(["plan", str(SEED), "--format", "json", "-o", str(plan)]) == 0
    assert main(["report", str(plan), "-o", str(out), "--budget", "1"]) == 2
    assert main(["report", str(SEED), "-o", str(tmp_path / "no" / "where.html")]) == 2
    assert main(["report", str(tmp_path / "none.yaml"), "-o", str(out)]) == 2


def test_where_there_is_no_plan_the_page_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, out = tmp_path / "tight.yaml", tmp_path / "r.html"
    spec.write_text("chain: [9, 9, 9]\nlimits: {memory: 3}\n", encoding="utf-8")
    assert main(["report", str(spec), "-o", str(out)]) == 1
    assert "no plan: infeasible" in capsys.readouterr().err
    page = out.read_text(encoding="utf-8")
    checked(page)
    assert "No plan: it is proven that none keeps the limits; 243 elements would be enough." in page
