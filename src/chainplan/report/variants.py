"""Renderers of variants: a table in plain text, the plan file, and Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable

from chainplan.errors import SpecError
from chainplan.io.variants_file import variants_document
from chainplan.plans.variants import Variants
from chainplan.report.markdown import escape, markdown_table
from chainplan.report.words.variants import describe_family, variant_rows, variants_table


def text(variants: Variants) -> str:
    """Write the table of variants, with a final newline."""
    return f"{variants_table(variants)}\n"


def document(variants: Variants) -> str:
    """Write the plan file of variants, one line per step, with a final newline."""
    lines = []
    for name, value in variants_document(variants).items():
        if name != "variants":
            lines.append(f"{_line(name)}: {_line(value)}")
            continue
        parts = []
        for each in value:
            steps = ",\n    ".join(map(_line, each["steps"]))
            head, outputs = f'"cost": {_line(each["cost"])}', f'"outputs": {_line(each["outputs"])}'
            parts.append(f'{{{head},\n   "steps": [\n    {steps}\n   ],\n   {outputs}}}')
        joined = ",\n  ".join(parts)
        lines.append(f"{_line(name)}: [\n  {joined}\n ]")
    return "{" + ",\n ".join(lines) + "}\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def markdown(variants: Variants) -> str:
    """Write a section with a table of the variants."""
    head = [f"## {escape(describe_family(variants.family))}", "", escape(str(variants)), ""]
    return "\n".join([*head, *markdown_table([("order", "cheapest", "steps", "fma"), *variant_rows(variants)])]) + "\n"


VARIANT_RENDERERS: dict[str, Callable[[Variants], str]] = {"text": text, "json": document, "markdown": markdown}
"""The formats that show all variants; the others show a single plan."""


def render_variants(variants: Variants, form: str) -> str:
    """Write variants in one of the formats that show them all.

    Raises
    ------
    SpecError
        Where a format shows a single plan.
    """
    if form not in VARIANT_RENDERERS:
        example = ", ".join(f"{name}={high}" for name, (_, high) in variants.family.ranges.items())
        raise SpecError(
            f"format '{form}' shows one plan, and these are {len(variants.plans)} for ranges of sizes; expected "
            f"{', '.join(VARIANT_RENDERERS)}. Choose sizes first: variants.choose({example}), or --sizes {example}."
        )
    return VARIANT_RENDERERS[form](variants)
