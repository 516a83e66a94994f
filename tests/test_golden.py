"""Golden plans of the examples: the cost is hard, the text is regenerated.

`python -m pytest --update-golden` writes them anew; review the difference.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chainplan.io.read import read
from chainplan.planner import plan
from chainplan.report.registry import RENDERERS
from tests.reference import ROOT

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
COSTS = {
    "seed_chain": 1_002_000,
    "mixed_chain": 516_650,
    "matrix_free_chain": 442,
    "small_dag": 32,
    "neither_mode": 5_020,
    "structured_chain": 926,
    "checkpointed_chain": 20_000,
}


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
