"""Writes down the plan of a task: its blocks in their order, and the moves of states that each of them needs.

The tasks are first written as a script that says which states are needed and kept where. From the script the moves
follow: a needed state that is the working state already takes no step, and a kept state is stored, where it was
reached, only if it is restored later.
"""

from __future__ import annotations

from chainplan.plans.compressed_sweep import CompressedSweep, write_sweep
from chainplan.plans.recorder import Recorder
from chainplan.plans.state_steps import Advance, Restore, Store
from chainplan.plans.steps import Plan
from chainplan.problem.graph import Graph, Mode
from chainplan.solvers.checkpoint.fronts import FrontPoint
from chainplan.solvers.checkpoint.grammar import TaskRule

TaskAction = tuple[str, tuple[object, ...]]
"""A word and its arguments: `need`, `keep` and `advance` of states; `leaf`, `propagate` and `multiply` of blocks."""


def write(graph: Graph, point: FrontPoint) -> Plan:
    """The plan of a point on the front of the whole chain."""
    script = _TaskScript()
    result = script.task(point, None)
    recorder = Recorder(graph)
    handles: dict[int, int] = {}
    chain = graph.chain
    vertices = [chain[0].source, *(e.target for e in chain)]
    for word, arguments in _moves(script.actions):
        match word, arguments:
            case "advance", (int(a),):
                recorder.move(Advance(chain[a].name))
            case "store", (int(a),):
                recorder.move(Store(vertices[a]))
            case "need", (int(a),):
                recorder.move(Restore(vertices[a]))
            case "leaf", (int(made), int(a), how):
                if isinstance(how, CompressedSweep):
                    handles[made] = write_sweep(recorder, how)
                elif isinstance(how, Mode):
                    handles[made] = recorder.accumulate(chain[a].name, how)
                else:
                    handles[made] = recorder.linearise(chain[a].name)
            case "propagate", (int(made), int(a), int(arg), Mode() as mode):
                handles[made] = recorder.propagate(chain[a].name, handles[arg], mode)
            case "multiply", (int(made), int(left), int(right)):
                handles[made] = recorder.multiply(handles[left], handles[right])
    return recorder.plan([(graph.outputs[0], graph.inputs[0], handles[result])])


def _moves(actions: list[TaskAction]) -> list[TaskAction]:
    """The actions without needs of the working state and without keeps of states that are never restored.

    The keeps that stay become `store`.
    """
    working, needed = 0, []
    for word, arguments in actions:
        if word == "need":
            if arguments == (working,):
                continue
            working = int(arguments[0])  # type: ignore[call-overload]
        elif word == "advance":
            working = int(arguments[0]) + 1  # type: ignore[call-overload]
        needed.append((word, arguments))
    restored: set[object] = set()
    written = []
    for word, arguments in reversed(needed):
        if word == "need":
            restored.add(arguments[0])
        elif word == "keep":
            if arguments[0] not in restored:
                continue
            restored.discard(arguments[0])
            word = "store"
        written.append((word, arguments))
    return written[::-1]


class _TaskScript:
    """The actions of a task in their order; blocks are numbered as they are made."""

    def __init__(self) -> None:
        self.actions: list[TaskAction] = []
        self._blocks = 0

    def task(self, point: FrontPoint, arg: int | None) -> int:
        """Write the actions of a task on the block `arg`, None where it needs none, and return the block it makes."""
        _, _, way, first, second = point
        assert isinstance(way, TaskRule)
        kind, i, j, k, leaf = way
        match kind:
            case "leaf":
                return self._leaf(i, leaf)
            case "leaf on":
                return self._advance(self._leaf(i, leaf), i, j)
            case "left first":
                self._advance_and_keep(i, k)
                return self.task(second, self.task(first, None))
            case "right first" | "right first on":
                block = self.task(first, None)
                self._write("keep", k)
                return self.task(second, block)
            case "ahead":
                self._advance_and_keep(i, j)
                return self._return_to(j, self.task(first, None))
            case "on first":
                self._advance_and_keep(i, k)
                block = self.task(first, None)
                self._write("keep", j)
                return self._return_to(j, self.task(second, block))
            case "again":
                block = self.task(first, None)
                return self._advance(block, i, j)
        assert arg is not None
        return self._write_extension(point, arg)

    def _write_extension(self, point: FrontPoint, arg: int) -> int:
        """Write the actions of a task that extends the block `arg`."""
        _, _, (kind, i, j, k, leaf), first, second = point
        match kind:
            case "adjoint":
                self._write("need", i)
                return self._write_block("propagate", i, arg, Mode.ADJOINT)
            case "tangent":
                self._write("need", k)
                return self._write_block("propagate", k, arg, Mode.TANGENT)
            case "tangent on":
                self._write("need", k)
                return self._advance(self._write_block("propagate", k, arg, Mode.TANGENT), k, j)
            case "times right":
                return self._write_block("multiply", arg, self.task(first, None))
            case "times left" | "times left on":
                return self._write_block("multiply", self.task(first, None), arg)
            case "times leaf on":
                return self._advance(self._write_block("multiply", self._leaf(k, leaf), arg), k, j)
            case "checkpoint":
                self._advance_and_keep(i, k)
                return self.task(second, self.task(first, arg))
            case "onward" | "onward on":
                block = self.task(first, arg)
                self._write("keep", k)
                return self.task(second, block)
        raise AssertionError(kind)

    def _return_to(self, j: int, block: int) -> int:
        """Make x_j the working state again and return the block."""
        self._write("need", j)
        return block

    def _leaf(self, i: int, how: object) -> int:
        """Make the block of one elemental at its state."""
        self._write("need", i)
        return self._write_block("leaf", i, how)

    def _advance_and_keep(self, i: int, k: int) -> None:
        """Advance from x_i to x_k and keep x_k."""
        self._advance(0, i, k)
        self._write("keep", k)

    def _advance(self, block: int, i: int, k: int) -> int:
        """Advance from x_i to x_k and return the block."""
        self._write("need", i)
        for a in range(i, k):
            self._write("advance", a)
        return block

    def _write(self, word: str, *arguments: object) -> None:
        self.actions.append((word, arguments))

    def _write_block(self, word: str, *arguments: object) -> int:
        """Write an action that makes a block and return the number of the block."""
        self._blocks += 1
        self._write(word, self._blocks, *arguments)
        return self._blocks
