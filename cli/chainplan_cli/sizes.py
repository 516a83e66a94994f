"""Sizes with names on the command line: `--sizes n=100,batch=8`, and plans for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from chainplan.errors import SpecError
from chainplan_cli.common import write_or_print

if TYPE_CHECKING:
    from chainplan.io.plan_file import SavedPlan
    from chainplan.plans.variants import Variants
    from chainplan.problem.family import Family
    from chainplan.problem.problem import Problem
    from chainplan.programs.program import Program

    Content = Problem | Program | SavedPlan

sizes_option = click.option(
    "--sizes", metavar="NAME=N,...", help="Sizes for the names of a spec with ranges: n=100,batch=8."
)


def sizes_of(text: str) -> dict[str, int]:
    """Read sizes.

    Raises
    ------
    SpecError
        Where the text is something else.
    """
    from chainplan.io.located.reader import number_or_text

    result = dict[str, int]()
    for part in text.split(","):
        name, equals, written = (piece.strip() for piece in part.partition("="))
        number = number_or_text(written)
        if not equals or not name or not isinstance(number, int) or name in result:
            raise SpecError(f"--sizes: found '{part.strip()[:60]}'; expected each name once, such as n=100,batch=8.")
        result[name] = number
    return result


def at_sizes(content: Problem | Program, sizes: str | None) -> Problem | Program:
    """Return a family at the sizes that are asked for, and anything else as it is.

    Raises
    ------
    SpecError
        Where sizes are given for something without names.
    """
    from chainplan.problem.family import Family

    if sizes is None:
        return content
    if not isinstance(content, Family):
        raise SpecError("--sizes: found no names of sizes in the spec; expected some with ranges. Leave it out.")
    return content.at(**sizes_of(sizes))


def at_one_size(content: Content, sizes: str | None, path: str) -> Content:
    """Return a family or a file of variants at the sizes that are asked for, and refuse one without sizes.

    Raises
    ------
    SpecError
        Where the command shows one problem and gets many, or sizes are given for something without names.
    """
    from chainplan.io.plan_file import SavedPlan, document, saved_plan
    from chainplan.io.variants_file import SavedVariants, verify_variants
    from chainplan.problem.family import Family

    if isinstance(content, SavedVariants) and sizes is not None:
        return saved_plan(document(verify_variants(content).choose(**sizes_of(sizes))), content.source)
    if isinstance(content, SavedPlan) and sizes is not None:
        raise SpecError(f"{path}: --sizes: found the plan of one problem; expected ranges of sizes. Leave it out.")
    if not isinstance(content, SavedPlan):
        content = at_sizes(content, sizes)
    family = content.problem if isinstance(content, SavedVariants) else content
    if isinstance(family, Family):
        example = ",".join(f"{name}={size}" for name, size in smallish(family).items())
        raise SpecError(f"{path}: found ranges of sizes; expected one problem. Add --sizes {example}, say.")
    return content


def smallish(family: Family) -> dict[str, int]:
    """Return small sizes at which a plan is run by default."""
    return {name: min(high, max(low, 8)) for name, (low, high) in family.ranges.items()}


def plan_family(
    family: Family,
    at_most: int | None,
    budget: float | None,
    seed: int,
    form: str,
    output: str | None,
    others: Mapping[str, object],
) -> int:
    """Find the variants of a family and print them."""
    from chainplan.report.registry import render
    from chainplan.sizing import variants

    given = next((name for name, value in others.items() if value), None)
    if given is not None:
        raise click.UsageError(f"{given} is for one problem, but the spec has ranges of sizes. Add --sizes n=100, say.")
    found: Variants = variants(family, at_most, budget=budget, seed=seed)
    write_or_print(render(found, form), output)
    return 0
