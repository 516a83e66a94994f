"""Steps in words: what each does and of what, and the bracketing that those of a chain's plan make."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainplan.plans.liveness import kept
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import (
    Accumulate,
    Add,
    Again,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Plan,
    ProductProgram,
    Propagate,
    Seed,
    Step,
)
from chainplan.problem.graph import Mode
from chainplan.structures.second import Side

_MAX_SHOWN_ORDER = 100
"""Characters of the longest bracketing that is written out."""


def step_cells(step: Step) -> tuple[str, str]:
    """Return (operation, operands) of a step in words."""
    return step.accept(_WORDS)


class _Words(Interpreter[tuple[str, str]]):
    """(operation, operands) of a step; an operand is named by its position, #3."""

    def load(self, step: Load) -> tuple[str, str]:
        return "load", step.elemental

    def accumulate(self, step: Accumulate) -> tuple[str, str]:
        return f"accumulate {step.mode.value}", step.elemental

    def propagate(self, step: Propagate) -> tuple[str, str]:
        name, arg, mode = step
        return f"propagate {mode.value}", f"{name} on #{arg}" if mode is Mode.TANGENT else f"#{arg} on {name}"

    def multiply(self, step: Multiply) -> tuple[str, str]:
        left, right, onto = step
        return "multiply", f"#{left} · #{right}" + ("" if onto is None else f" onto #{onto}")

    def add(self, step: Add) -> tuple[str, str]:
        return "add", f"#{step.left} + #{step.right}"

    def seed(self, step: Seed) -> tuple[str, str]:
        count = max(step.colours, default=-1) + 1
        return f"seed {step.mode.value}", f"{step.vertex} in {count:,} colour{'' if count == 1 else 's'}"

    def decompress(self, step: Decompress) -> tuple[str, str]:
        return "decompress", " and ".join(f"#{arg}" for arg in step.operands())

    def again(self, step: Again) -> tuple[str, str]:
        return "again", f"#{step.arg}"

    def direction(self, step: Direction) -> tuple[str, str]:
        return f"direction {step.mode.value}", step.vertex

    def load_second(self, step: LoadSecond) -> tuple[str, str]:
        return "load second", f"{step.elemental}''"

    def apply_second(self, step: ApplySecond) -> tuple[str, str]:
        left, right = (":" if arg is None else f"#{arg}" for arg in (step.on_left, step.on_right))
        rows = "" if step.on_rows is None else f"#{step.on_rows} · "
        return f"apply second {step.mode.value}", f"{rows}{step.elemental}''[{left}, {right}]"

    def given(self, step: Given) -> tuple[str, str]:
        return f"given {step.side.value}", step.vertex

    def contract(self, step: Contract) -> tuple[str, str]:
        second, block = f"#{step.second}", f"#{step.block}"
        onto = "" if step.onto is None else f" onto #{step.onto}"
        half = " symmetric" if step.symmetric else ""
        words = {
            Side.ROWS: f"{block} · {second}",
            Side.LEFT: f"{second}[{block}, :]",
            Side.RIGHT: f"{second}[:, {block}]",
            Side.BOTH: f"{second}[{block}, {block}]",
        }
        return f"contract {step.side.value}{half}", words[step.side] + onto

    def exchange(self, step: Exchange) -> tuple[str, str]:
        return "exchange", f"#{step.second}"

    def advance(self, step: Advance) -> tuple[str, str]:
        return "advance", step.elemental

    def store(self, step: Store) -> tuple[str, str]:
        return "store", step.vertex

    def restore(self, step: Restore) -> tuple[str, str]:
        return "restore", step.vertex

    def write(self, step: Write) -> tuple[str, str]:
        return "write", step.vertex

    def read(self, step: Read) -> tuple[str, str]:
        return "read", step.vertex


_WORDS = _Words()


def order_text(plan: Plan) -> str | None:
    """Write the bracketing of a chain's plan, F4·((F3·F2)·F1); arrows mark tangents F3→(...) and adjoints (...)←F1."""
    return _order_of(plan, plan.steps, plan.ends[0]) if plan.ends else None


def program_text(plan: Plan, program: ProductProgram) -> str | None:
    """Write the bracketing of one product with a chain, F4·((F3·F2)·(F1·v)), in which the kept blocks are products."""
    return _order_of(plan, (*plan.steps, *program.steps), program.results[0].step) if program.results else None


def formed_texts(plan: Plan) -> list[str] | None:
    """Write the bracketing of each block that the set-up of a chain's plan keeps, J for the whole; None where too long.

    They are in the order of the chain.
    """
    if plan.graph.not_a_chain is not None or len(plan.graph.chain) > _MAX_SHOWN_ORDER // 2:
        return None
    if any(isinstance(step, Multiply) for step in plan.steps) and all(len(p.steps) == 2 for p in plan.programs):
        return ["J"]
    order = _Order()
    for step in plan.steps:
        order.written.append(step.accept(order))
    texts = [order.written[at] for at in sorted(kept(plan)) if not isinstance(plan.steps[at], Load)]
    return list(map(_bare, texts))


def second_texts(plan: Plan) -> list[str] | None:
    """Name the second-order blocks and products of Jacobians that the set-up of a chain's plan keeps.

    H(F2, F3) is the weighted second derivative of these elementals, and H that of all of them; F2'' waits for its
    weights. None stands for graphs and long chains.
    """
    if plan.graph.not_a_chain is not None or len(plan.graph.chain) > _MAX_SHOWN_ORDER // 2:
        return None
    held, order = list[tuple[str, ...]](), _Order()
    for step in plan.steps:
        order.written.append(step.accept(order))
        own = (step.elemental,) if isinstance(step, LoadSecond) else ()
        held.append(tuple(dict.fromkeys((*own, *(name for arg in step.operands() for name in held[arg])))))
    last, seconds, jacobians = {name for some in held for name in some}, list[str](), list[str]()
    for at in sorted(kept(plan)):
        if held[at] and not isinstance(plan.steps[at], LoadSecond):
            seconds.append("H" if {*held[at]} == last else f"H({', '.join(sorted(held[at], key=_place(plan)))})")
        elif isinstance(plan.steps[at], Multiply):
            jacobians.append(_bare(order.written[at]))
    return sorted(seconds) + jacobians


def _place(plan: Plan) -> Callable[[str], int]:
    """Return what says at which place of the chain an elemental is."""
    places = {e.name: place for place, e in enumerate(plan.graph.chain)}
    return places.__getitem__


def _order_of(plan: Plan, steps: Sequence[Step], position: int) -> str | None:
    """Write the bracketing of the block of a step, None where the graph is no chain or the text would be long."""
    if plan.graph.not_a_chain is not None or len(plan.graph.chain) > _MAX_SHOWN_ORDER // 2:
        return None
    order = _Order()
    for step in steps:
        order.written.append(step.accept(order))
    text = _bare(order.written[position])
    return text if len(text) <= _MAX_SHOWN_ORDER else None


def _bare(text: str) -> str:
    """Leave out the brackets around a whole text; those of a contraction, as in (w·F1'')[:, V], end before its end."""
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


class _Order(Interpreter[str]):
    """The bracketing of a step's block, of those `written` for the steps before it; what moves a state has none."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def load(self, step: Load) -> str:
        return step.elemental

    def accumulate(self, step: Accumulate) -> str:
        return step.elemental

    def propagate(self, step: Propagate) -> str:
        name, arg = step.elemental, self.written[step.arg]
        return f"({name}→{arg})" if step.mode is Mode.TANGENT else f"({arg}←{name})"

    def multiply(self, step: Multiply) -> str:
        return f"({self.written[step.left]}·{self.written[step.right]})"

    def add(self, step: Add) -> str:
        return f"({self.written[step.left]}+{self.written[step.right]})"

    def seed(self, step: Seed) -> str:
        return "seed"

    def decompress(self, step: Decompress) -> str:
        return "[" + " & ".join(self.written[arg].removeprefix("(").removesuffix(")") for arg in step.operands()) + "]"

    def again(self, step: Again) -> str:
        return self.written[step.arg]

    def direction(self, step: Direction) -> str:
        return "v" if step.mode is Mode.TANGENT else "w"

    def load_second(self, step: LoadSecond) -> str:
        return f"{step.elemental}''"

    def apply_second(self, step: ApplySecond) -> str:
        args = step.on_left, step.on_right
        left, right = (":" if arg is None else _bare(self.written[arg]) for arg in args)
        inside = left if args[0] == args[1] else f"{left}, {right}"
        made = f"{step.elemental}''" if args == (None, None) else f"{step.elemental}''[{inside}]"
        return made if step.on_rows is None else f"({self.written[step.on_rows]}·{made})"

    def given(self, step: Given) -> str:
        return {Side.ROWS: "w", Side.LEFT: "U", Side.RIGHT: "V"}[step.side]

    def contract(self, step: Contract) -> str:
        second, block = self.written[step.second], self.written[step.block]
        words = {
            Side.ROWS: f"({block}·{second})",
            Side.LEFT: f"{second}[{block}, :]",
            Side.RIGHT: f"{second}[:, {block}]",
            Side.BOTH: f"{second}[{block}]",
        }
        made = words[step.side]
        return made if step.onto is None else f"({self.written[step.onto]} + {made})"

    def exchange(self, step: Exchange) -> str:
        return f"{self.written[step.second]}ᵀ"

    def advance(self, step: Advance) -> str:
        return ""

    def store(self, step: Store) -> str:
        return ""

    def restore(self, step: Restore) -> str:
        return ""

    def write(self, step: Write) -> str:
        return ""

    def read(self, step: Read) -> str:
        return ""
