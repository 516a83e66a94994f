"""Writes the stored instances of random families: `python -m bench.instances.make_dags`.

Instances are stored so that results do not hang on a random number generator; those for more vertices are made on the
spot.
"""

from __future__ import annotations

import json
from pathlib import Path

from generators.graphs import FAMILIES, make

SIZES = (30, 100, 300, 1000)
FOLDER = Path(__file__).parent / "dags"


def main() -> None:
    """Write every family, scalar and block, in every size."""
    FOLDER.mkdir(exist_ok=True)
    for n in SIZES:
        for family in FAMILIES:
            for block in (False, True):
                instance = make(family, n, block)
                text = json.dumps(instance, separators=(",", ":"))
                (FOLDER / f"{instance['name']}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
