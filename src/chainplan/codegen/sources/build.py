"""What all sources end with: a program from a writer and arrays of references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainplan.codegen.layout import laid_out
from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.straight_line import InputArray, OutputArray
from chainplan.codegen.writer import Writer

Refs = NDArray[np.int64]
"""An array of references."""


def built(name: str, writer: Writer, inputs: Sequence[InputArray], outputs: Sequence[tuple[str, Any]]) -> ScalarProgram:
    """Lay out a program whose outputs are arrays of references by name; entries that are zero are left out."""
    arrays = [(name, np.asarray(refs, np.int64)) for name, refs in outputs]
    results = [int(ref) for _, refs in arrays for ref in refs.flat if ref != writer.ZERO]
    constants, lines, places = laid_out(writer, sum(i.size for i in inputs), results)
    made, start = [], 0
    taken = {one.name for one in inputs}
    for word, refs in arrays:
        while word in taken:
            word = f"{word}_out"
        taken.add(word)
        entries = tuple(np.flatnonzero(refs.ravel() != writer.ZERO).tolist())
        values = places[start : start + len(entries)]
        start += len(entries)
        made.append(OutputArray(word, refs.shape, entries, values))
    return ScalarProgram(name, tuple(inputs), constants, lines, tuple(made))
