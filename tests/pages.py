"""Problems that pages are made of, large and hostile ones among them, and the pages themselves."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import chainplan
from chainplan.io.plan_file import document
from chainplan.plans.result import Result
from chainplan.problem.problem import Problem
from chainplan.report.html import page as html
from tests.reference import ROOT

MARKUP = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    '"><img src=x onerror="window.pwned = 3">',
    "' onmouseover='window.pwned = 4",
    "<!-- --><style>*{display:none}</style>",
    "&lt;b&gt; {{script}} ${x} \u202egnp.exe",
)
"""Names that would run or hide something, were they not escaped."""


def dag_30(seed: int = 5) -> Problem:
    """30 vertices: 3 inputs, 24 intermediates, 3 outputs."""
    rng = random.Random(seed)
    names = [f"x{i}" for i in range(3)] + [f"v{i}" for i in range(24)] + [f"y{i}" for i in range(3)]
    edges = {(i, j) for j in range(3, 30) for i in rng.sample(range(max(0, j - 6), min(j, 27)), min(2, j))}
    edges |= {(i, rng.randrange(27, 30)) for i in range(27) if all(a != i for a, _ in edges)}
    return chainplan.from_spec(
        {
            "name": "dag_30",
            "dag": {
                "sizes": {name: rng.choice([1, 2, 3, 4, 6]) for name in names},
                "inputs": names[:3],
                "outputs": names[27:],
                "jacobians": [{"edge": [names[i], names[j]]} for i, j in sorted(edges)],
            },
        }
    )


def long_chain(elementals: int, name: str = "long") -> Problem:
    """A dense chain; a plan of it has 2 q - 1 steps."""
    rng = random.Random(1)
    return chainplan.chain([rng.randrange(1, 300) for _ in range(elementals + 1)], name=name)


def hostile_chain(elementals: int) -> Problem:
    """A chain of names that are markup and sizes of up to 10^12."""
    rng = random.Random(2)
    sizes = [rng.choice([1, 7, 10**6, 10**12]) for _ in range(elementals + 1)]
    entries = [{"name": f"{MARKUP[i % len(MARKUP)]}{i}", "shape": [sizes[i + 1], sizes[i]]} for i in range(elementals)]
    return chainplan.chain(entries, name=MARKUP[0])


def hostile_dag() -> Problem:
    """A DAG whose vertices and elementals are called by markup."""
    names = [f"{mark}{i}" for i, mark in enumerate((*MARKUP, *MARKUP))]
    edges = [(i, j) for j in range(len(names)) for i in range(max(0, j - 2), j)]
    return chainplan.from_spec(
        {
            "name": MARKUP[2],
            "dag": {
                "sizes": {name: 10**12 if i % 3 else 2 for i, name in enumerate(names)},
                "inputs": names[:1],
                "outputs": names[-1:],
                "jacobians": [{"edge": [names[i], names[j]], "name": f"{MARKUP[j % 6]}{i}-{j}"} for i, j in edges],
            },
        }
    )


def limited_chain() -> Problem:
    """The matrix-free example under a memory limit that costs something."""
    problem = chainplan.read(ROOT / "examples" / "matrix_free_chain.yaml")
    spec = problem.to_spec()
    return chainplan.from_spec({**spec, "limits": {"memory": 100}})


def write(problem: Problem, path: Path) -> tuple[Result, dict[str, Any]]:
    """Plan a problem and write its page; returns the result and the plan file as read again from its text."""
    result = chainplan.plan(problem, budget=5.0)
    path.write_text(html.page(result, document(result)), encoding="utf-8")
    saved: dict[str, Any] = json.loads(chainplan.render(result, "json"))
    return result, saved


def embedded(page: str) -> dict[str, Any]:
    """What the script of a page reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data
