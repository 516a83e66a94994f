"""Tables for papers and programs: comparisons of chosen solvers, and plans in LaTeX."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

import chainplan
from chainplan.report.compared import COMPARISON_RENDERERS
from chainplan.report.explain.comparison import compare
from chainplan.report.latex import latex_table, latex_text
from chainplan.report.registry import render
from chainplan_cli.compare import COMPARISON_FORMATS
from chainplan_cli.main import main
from tests.reference import ROOT

SEED = str(ROOT / "examples" / "seed_chain.yaml")


def rows_of(lines: list[str]) -> list[list[str]]:
    """The cells of a tabular, split where LaTeX splits them."""
    body = [line for line in lines if line.endswith(r" \\")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r" \\"))] for line in body]


def shown(text: str) -> str:
    """What LaTeX would print of a text, by the commands that chainplan writes."""
    for command, mark in (
        (r"\textless{}", "<"), (r"\textgreater{}", ">"), (r"\textbar{}", "|"), (r"\textasciitilde{}", "~"),
        (r"\textasciicircum{}", "^"), (r"$\cdot$", "·"), (r"$\times$", "×"), (r"$\rightarrow$", "→"),
        (r"$\leftarrow$", "←"), (r"$\mu$", "µ"), ("{[}", "["),
    ):  # fmt: skip
        text = text.replace(command, mark)
    text = text.replace(r"\textbackslash{}", "\0")
    return re.sub(r"\\([{}$&#_%])", r"\1", text).replace("\0", "\\")


def test_the_command_offers_the_formats_there_are() -> None:
    assert set(COMPARISON_FORMATS) == set(COMPARISON_RENDERERS)


@pytest.mark.parametrize("form", COMPARISON_FORMATS)
def test_only_the_named_solvers_are_compared(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", SEED, "--only", "reverse, auto,reverse", "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert "1,002,000" in out or '"price": 1002000' in out
    assert "forward" not in out


def test_json_has_the_figures_of_every_solver(tmp_path: Path) -> None:
    target = tmp_path / "compared.json"
    assert main(["compare", SEED, "--format", "json", "--budget", "1", "-o", str(target)]) == 0
    found = json.loads(target.read_text())
    problem = chainplan.read(SEED)
    assert found["problem"]["fingerprint"] == problem.fingerprint
    assert {entry["solver"] for entry in found["solvers"]} & found["refused"].keys() == set()
    for entry in found["solvers"]:
        assert entry["price"] == chainplan.plan(problem, entry["solver"], budget=1).price
        assert entry["gap"] is None or entry["bound"] <= entry["price"]


def test_latex_and_markdown_have_the_cells_of_the_table() -> None:
    compared = compare(chainplan.read(ROOT / "examples" / "small_dag.yaml"), 1, solvers=("forward", "greedy", "free"))
    table = [list(row) for row in compared.rows]
    latex = COMPARISON_RENDERERS["latex"](compared).splitlines()
    assert [list(map(shown, row)) for row in rows_of(latex)] == table
    markdown = [line for line in COMPARISON_RENDERERS["markdown"](compared).splitlines() if line.startswith("|")]
    assert [line[2:-2].count(" | ") for line in markdown] == [len(table[0]) - 1] * (len(table) + 1)
    assert "free refuses" in "".join(latex)


@pytest.mark.parametrize(("only", "message"), [("forwad", "Did you mean 'forward'"), ("", "does not exist")])
def test_unknown_solvers_are_refused(only: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", SEED, "--only", only]) == 2
    assert message in capsys.readouterr().err


def test_text_is_shown_by_latex_as_it_is() -> None:
    rng = random.Random(0)
    marks = "\\{}$&#_%^~<>|[]·×→←µ a1,.-"
    for _ in range(500):
        text = "".join(rng.choice(marks) for _ in range(12))
        written = latex_text(text)
        assert shown(written) == text
        assert written.count("{") - written.count(r"\{") == written.count("}") - written.count(r"\}")
        assert not re.search(r"(?<!\\)[&#_%]", written)
    (line,) = rows_of(latex_table([["a & b", r"c \\ d"]], set()))
    assert list(map(shown, line)) == ["a & b", r"c \\ d"]


@pytest.mark.parametrize("name", ["seed_chain", "small_dag", "matrix_free_chain", "checkpointed_chain"])
def test_a_plan_in_latex_has_every_step(name: str) -> None:
    result = chainplan.plan(chainplan.read(ROOT / "examples" / f"{name}.yaml"))
    assert result.plan is not None
    assert result.priced is not None
    lines = render(result, "latex").splitlines()
    steps = [row for row in rows_of(lines) if row[0].startswith(r"\#")]
    assert [row[0] for row in steps] == [rf"\#{i}" for i in range(len(result.plan.steps))]
    assert [int(row[6].replace(",", "")) for row in steps] == list(result.priced.prices)
    text = "\n".join(lines)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
