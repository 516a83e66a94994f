"""Reference instances: our own in `tests/data`, the others where `$CHAINPLAN_DATA` says, and skipped where absent.

Without that variable the others are looked for in `../shared/data` beside the repository. They may be read, not copied.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
OWN = ROOT / "tests" / "data"
DATA = Path(os.environ.get("CHAINPLAN_DATA", ROOT / ".." / "shared" / "data"))
"""The folder of what is not part of the tree."""


def entries(path: Path) -> list[dict[str, Any]]:
    """The instances of a reference file, none where it is absent."""
    return list(json.loads(path.read_text(encoding="utf-8"))["instances"]) if path.exists() else []


def absent(file: str) -> str:
    """Why what needs a file from outside is skipped."""
    return f"{file} is not in {DATA}; set CHAINPLAN_DATA to the folder that holds it"


def instances(file: str) -> list[Any]:
    """Parameters, one per instance of a reference file; a skipped one in place of those outside that are absent."""
    shown = [*entries(OWN / file), *(entry for entry in entries(DATA / file) if not entry["own"])]
    parameters = [pytest.param(entry, id=entry["name"]) for entry in shown]
    if not (DATA / file).exists():
        parameters.append(pytest.param(None, marks=pytest.mark.skip(reason=absent(file)), id=f"{file} absent"))
    return parameters
