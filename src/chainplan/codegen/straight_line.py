"""A straight-line program over reals: inputs, constants, one operation a line, outputs that may be sparse arrays.

It is plain data that targets read from the first line to the last. What transforms a program loads it into a `Writer`
and lays it out again, so that every program is free of dead lines and of equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.codegen.operations import OPERATIONS
from chainplan.codegen.writer import Ref, Writer
from chainplan.errors import ArgumentError


class Line(NamedTuple):
    """An operation and the numbers of its operands; values are numbered through: inputs, constants, lines."""

    operation: str
    operands: tuple[int, ...]


class InputArray(NamedTuple):
    """An array of inputs: its name and its shape."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(self.shape)


class OutputArray(NamedTuple):
    """An array of outputs, of which `entries` may be nonzero, by their places in row-major order.

    `values` are the numbers of these entries. A derivative has `by`, for each axis at the end of its shape the names of
    the inputs that it lists.
    """

    name: str
    shape: tuple[int, ...]
    entries: tuple[int, ...]
    values: tuple[int, ...]
    by: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> int:
        """The number of entries, zeros included."""
        return prod(self.shape)

    @property
    def rows(self) -> tuple[int, ...]:
        """The row of each entry that may be nonzero, where all axes but the last count as rows."""
        return tuple(entry // self.shape[-1] for entry in self.entries)

    @property
    def cols(self) -> tuple[int, ...]:
        """The column of each entry that may be nonzero: its place along the last axis."""
        return tuple(entry % self.shape[-1] for entry in self.entries)


class OrderCount(NamedTuple):
    """How many values an order of elimination writes, and how many operations its program has after all passes.

    The passes are rewriting and what settles the cost of signs and quotients; only the few shortest programs take them.
    """

    values: int
    operations: int | None


@dataclass(frozen=True)
class StraightLine:
    """The data of a scalar program, and what it computes; `ScalarProgram` adds what is made of it."""

    name: str
    inputs: tuple[InputArray, ...]
    constants: tuple[float, ...]
    lines: tuple[Line, ...]
    outputs: tuple[OutputArray, ...]
    variables: tuple[str, ...] = ()
    counts: Mapping[str, OrderCount] | None = None

    @property
    def operations(self) -> int:
        """The number of all operations."""
        return len(self.lines)

    @cached_property
    def input_size(self) -> int:
        """The number of entries of all inputs."""
        return sum(i.size for i in self.inputs)

    @property
    def arrays(self) -> tuple[InputArray | OutputArray, ...]:
        """The inputs and the outputs."""
        return (*self.inputs, *self.outputs)

    def load(self, writer: Writer, inputs: Sequence[Ref]) -> list[Ref]:
        """Write the program into a writer.

        Parameters
        ----------
        writer : Writer
            The writer, which may hold other values.
        inputs : Sequence[Ref]
            The references of the entries of all inputs.

        Returns
        -------
        list
            The references of all values of the program, by their numbers.
        """
        refs = [*inputs, *map(writer.constant, self.constants)]
        for name, operands in self.lines:
            refs.append(writer.apply(name, [refs[o] for o in operands]))
        return refs

    def evaluate(self, *arrays: Array) -> tuple[Array, ...]:
        """Compute the outputs in numpy, line by line.

        Parameters
        ----------
        *arrays : Array
            An array for each input, in its shape. All may have the same axes in front, such as one of points.

        Returns
        -------
        tuple
            An array for each output, with the same axes in front.

        Raises
        ------
        ArgumentError
            Where an array is missing or has another shape.
        """
        given, front = checked(self.inputs, arrays)
        held: list[Any] = [x[..., k] for x in given for k in range(x.shape[-1])] + list(self.constants)
        with np.errstate(all="ignore"):
            for name, operands in self.lines:
                held.append(OPERATIONS[name].compute(*(held[o] for o in operands)))
        kind = np.result_type(float, *given)
        results = []
        for output in self.outputs:
            result = np.zeros((*front, output.size), kind)
            for entry, value in zip(output.entries, output.values, strict=True):
                result[..., entry] = held[value]
            results.append(result.reshape(front + output.shape))
        return tuple(results)


def checked(inputs: Sequence[InputArray], arrays: Sequence[Array]) -> tuple[list[Array], tuple[int, ...]]:
    """Return the arrays as front x size, and the shape of the axes in front."""
    if len(arrays) != len(inputs):
        names = ", ".join(i.name for i in inputs)
        raise ArgumentError(f"found {len(arrays)} arrays; expected one for each of {names}. Pass them in this order.")
    given, front = [], None
    for one, array in zip(inputs, map(np.asarray, arrays), strict=True):
        axes = array.ndim - len(one.shape)
        if axes < 0 or array.shape[axes:] != one.shape or front not in (None, array.shape[:axes]):
            wanted = f"{one.shape}" if front is None else f"{(*front, *one.shape)}"
            raise ArgumentError(f"{one.name}: found an array of shape {array.shape}; expected {wanted}. Reshape it.")
        front = array.shape[:axes]
        given.append(array.reshape((*front, one.size)))
    return given, front or ()
