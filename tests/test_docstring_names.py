"""Docstrings name what is there: classes, constants and modules in backticks, and the exceptions that are raised.

A name that was changed in the code stays behind in a docstring unnoticed, because nothing runs it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import chainplan
from tests.reference import ROOT

SOURCES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py"))}
NAMED_LIKE_ROOMS = {"jax", "distributed", "torch"}
"""Packages of others whose names are those of rooms."""
CLASS_OR_CONSTANT = re.compile(r"_*[A-Z]\w+")
ENVIRONMENT_OR_FORMULA = re.compile(r"CHAINPLAN_\w+|[A-Z]_\w")


def defined(path: Path) -> set[str]:
    """The names that a module defines, those of methods and fields too; a package has those that it imports besides."""
    names = set()
    for node in ast.walk(SOURCES[path]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias) and path.stem == "__init__":
            names.add(node.asname or node.name)
    return names


NAMES = {path: defined(path) for path in SOURCES}
NAMES[ROOT / "src" / "chainplan" / "__init__.py"] |= set(chainplan.__all__)
KNOWN = set(dir(builtins)).union(*NAMES.values())


def docstrings(tree: ast.Module) -> Iterator[str]:
    """All texts that stand alone, those below constants and fields too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def modules(parts: list[str]) -> list[Path]:
    """The modules and packages whose path ends so: `costs.timed` is `chainplan/costs/timed.py`."""
    ends = "/" + "/".join(parts)
    return [path for path in SOURCES if str(path).endswith((f"{ends}.py", f"{ends}/__init__.py"))]


def is_stale(word: str) -> bool:
    """Whether a word of code is the name of a class, of a constant, or of something in a module, which is not there."""
    *path, name = word.split(".")
    if not path:
        special = ENVIRONMENT_OR_FORMULA.fullmatch(name)
        return CLASS_OR_CONSTANT.fullmatch(name) is not None and special is None and name not in KNOWN
    if path[0] in NAMED_LIKE_ROOMS or modules([*path, name]):
        return False
    places = modules(path)
    return bool(places) and all(name not in NAMES[place] for place in places)


def stale(text: str) -> list[str]:
    """The names in a docstring that nothing has."""
    words = re.findall(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?`", text)
    for raised in re.findall(r"^ *Raises\n *-+\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL):
        words += re.findall(r"^ *([A-Z]\w+)$", raised, re.MULTILINE)
    return [word for word in words if is_stale(word)]


def test_docstrings_name_what_is_there() -> None:
    assert len(SOURCES) > 200
    wrong = {str(path.relative_to(ROOT)): stale("\n\n".join(docstrings(tree))) for path, tree in SOURCES.items()}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_stale_names_are_seen() -> None:
    text = (
        "`Walk`, `NO_SUCH`, `costs.timed.Timed`, `plans.result.Status`, `Plan`, `costs.timed.TimedCost`, `x`, `np.dot`"
    )
    assert stale(text) == ["Walk", "NO_SUCH", "costs.timed.Timed", "plans.result.Status"]
    assert stale("Do.\n\n    Raises\n    ------\n    Stopped\n        When.\n    SpecError\n        Else.\n") == [
        "Stopped"
    ]
