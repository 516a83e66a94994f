"""The table of writers of problems: specs, and every format of graphs and chains that `read` takes. Models are not."""

from __future__ import annotations

import json
from collections.abc import Callable

from chainplan.errors import SpecError
from chainplan.io.chaining_json import to_chaining
from chainplan.io.dot_file import to_dot
from chainplan.io.networkx_graph import to_gml, to_graphml, to_node_link
from chainplan.problem.problem import Problem


def _yaml(problem: Problem) -> str:
    import yaml

    return str(yaml.safe_dump(problem.to_spec(), sort_keys=False, allow_unicode=True, default_flow_style=None))


def _json(problem: Problem) -> str:
    return json.dumps(problem.to_spec(), ensure_ascii=False, indent=1) + "\n"


PROBLEM_WRITERS: dict[str, Callable[[Problem], str]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".graphml": to_graphml,
    ".gml": to_gml,
    ".dot": to_dot,
    ".gv": to_dot,
    ".nodelink.json": to_node_link,
    ".chaining.json": to_chaining,
    ".json": _json,
}
"""The writers by the suffix of the file, of which the first that fits counts."""


def problem_writer(path: str) -> Callable[[Problem], str]:
    """Return the writer for a file, by its suffix.

    Raises
    ------
    SpecError
        Where no writer has that suffix.
    """
    for suffix, writer in PROBLEM_WRITERS.items():
        if path.lower().endswith(suffix):
            return writer
    raise SpecError(f"{path}: found no suffix that says what is written; expected one of {', '.join(PROBLEM_WRITERS)}.")
