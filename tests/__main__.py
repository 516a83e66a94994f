"""`python -m tests`: everything that must be green: lint, format, types, imports, tests. Arguments go to pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["lint-imports"],
)


def main() -> int:
    """Run every check, also after one has failed, and return the number of failures."""
    scripts = Path(sys.executable).parent
    commands = [[str(scripts / tool), *rest] for tool, *rest in CHECKS]
    commands.append([sys.executable, "-m", "pytest", *sys.argv[1:]])
    failed = []
    for command in commands:
        name = " ".join([Path(command[0]).name, *command[1:]])
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    for name in failed:
        print(f"FAILED: {name}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
