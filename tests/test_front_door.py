"""What stands around the code says the same as the code: versions, citation, hooks, extras."""

from __future__ import annotations

import re
import tomllib

import yaml

import chainplan
from tests.__main__ import QUICK, SLOW
from tests.reference import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_newest_release_is_the_version_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert releases[0] == (chainplan.__version__, cited["date-released"].isoformat())
    assert cited["version"] == chainplan.__version__
    assert changelog.index("## [Unreleased]") < changelog.index(f"## [{releases[0][0]}]")


def test_the_citation_has_what_its_format_requires() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert (cited["license"], cited["authors"]) == (PROJECT["license"], PROJECT["authors"])
    for reference in cited["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_hooks_before_a_commit_are_checks_of_the_tests() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    tools = {tuple(check[: len(hook["entry"].split())]) for hook in hooks for check in (*QUICK, *SLOW)}
    for hook in hooks:
        assert tuple(hook["entry"].removesuffix(" --fix").split()) in tools, hook["id"]


def test_install_commands_name_extras_that_exist() -> None:
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        for extras in re.findall(r"'\.\[([\w,]+)\]'", path.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys(), f"{path.name}: {extras}"
