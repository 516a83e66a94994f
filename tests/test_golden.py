"""Golden plans of the examples and the output shown in the README: the cost is hard, the text is regenerated.

`python -m pytest --update-golden` writes them anew; review the difference.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chainplan.frontends.table import read
from chainplan.planner import plan
from chainplan.report.table import RENDERERS
from tests.reference import ROOT

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
COSTS = {
    "seed_chain": 1_002_000,
    "mixed_chain": 516_650,
    "matrix_free_chain": 442,
    "small_dag": 32,
    "structured_chain": 926,
    "checkpointed_chain": 20_000,
}
README = ROOT / "README.md"
SHOWN = "<!-- output: chainplan plan examples/seed_chain.yaml -->"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_golden_plan(path: Path, request: pytest.FixtureRequest) -> None:
    result = plan(read(path))
    assert result.cost is not None
    assert result.cost.fma == COSTS[path.stem]
    text = re.sub(r'"seconds": [^,]*', '"seconds": 0', RENDERERS["json"](result))
    golden = GOLDEN / f"{path.stem}.json"
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text
    assert json.loads(text)["cost"]["fma"] == COSTS[path.stem]


def test_the_readme_shows_what_the_command_prints(request: pytest.FixtureRequest) -> None:
    text = re.sub(r" in \d[\d.]* (µs|ms|s)", " in 2.1 ms", RENDERERS["text"](plan(read(EXAMPLES_SEED))))
    readme = README.read_text(encoding="utf-8")
    before, after = readme.split(SHOWN + "\n")
    shown = re.match(r"\n```text\n.*?```\n", after, re.DOTALL)
    if request.config.getoption("--update-golden"):
        rest = after[shown.end() :] if shown else after
        README.write_text(f"{before}{SHOWN}\n\n```text\n{text}```\n{rest}", encoding="utf-8")
        return
    assert shown is not None
    assert shown.group() == f"\n```text\n{text}```\n"


EXAMPLES_SEED = ROOT / "examples" / "seed_chain.yaml"
