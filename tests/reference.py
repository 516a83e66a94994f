"""Reference instances: from `$CHAINPLAN_DATA`, else `../shared/data` beside the repository; skipped where absent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.instances import DATA as DATA
from bench.instances import ROOT as ROOT


def instances(file: str) -> list[Any]:
    """Parameters, one per instance of a reference file; one skipped parameter where the file is absent."""
    path = DATA / file
    if not path.exists():
        why = f"{file} is not in {DATA}; set CHAINPLAN_DATA to the folder that holds it"
        return [pytest.param(None, marks=pytest.mark.skip(reason=why), id=f"{file} absent")]
    return [pytest.param(entry, id=entry["name"]) for entry in json.loads(path.read_text())["instances"]]
