"""Writes the stored simulations with matrix-free modules: `python -m bench.instances.make_matrix_free`.

Each file is a spec as `chainplan plan` reads it.
"""

from __future__ import annotations

import json
from pathlib import Path

from generators.matrix_free import MODULES, simulation

MODULE_COUNTS = (4, 10, 20, 40)
FOLDER = Path(__file__).parent / "matrix_free"


def main() -> None:
    """Write every family in every number of modules."""
    FOLDER.mkdir(exist_ok=True)
    for family in MODULES:
        for modules in MODULE_COUNTS:
            problem = simulation(family, modules)
            text = json.dumps(problem.to_spec(), separators=(",", ":"))
            (FOLDER / f"{problem.name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
