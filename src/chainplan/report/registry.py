"""The table of renderers. A new format is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Callable

from chainplan.errors import SpecError
from chainplan.errors.arguments import expect
from chainplan.plans.result import Result
from chainplan.plans.variants import Variants
from chainplan.report import chrome_trace as trace
from chainplan.report import dot, json, latex, markdown, text
from chainplan.report import gantt_svg as svg
from chainplan.report.html import page as html

RENDERERS: dict[str, Callable[[Result], str]] = {
    "text": text.render,
    "json": json.render,
    "markdown": markdown.render,
    "latex": latex.render,
    "dot": dot.render,
    "html": html.render,
    "svg": svg.render,
    "trace": trace.render,
}


def render(result: Result | Variants, form: str = "text") -> str:
    """Write a result, or variants for ranges of sizes, as text in one of the formats of `RENDERERS`.

    Parameters
    ----------
    result : Result | Variants
        The result of `plan`, or of `variants`, which "text", "json" and "markdown" show.
    form : str
        The name of a format; "json" is the plan file, which `read_plan` reads.

    Returns
    -------
    str
        The text of a file.

    Raises
    ------
    SpecError
        If there is no such format, or it does not show variants.
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan
    >>> text = render(chainplan.plan(chainplan.chain([2, 3, 4])), "markdown")
    >>> "24 fma" in text
    True
    """
    expect("result", result, (Result, Variants), "a Result", "Make one by chainplan.plan(problem).")
    if not isinstance(form, str) or form not in RENDERERS:
        raise SpecError(f"format '{form}' does not exist; expected one of {', '.join(RENDERERS)}. Choose one.")
    if isinstance(result, Variants):
        from chainplan.report.variants import render_variants

        return render_variants(result, form)
    return RENDERERS[form](result)
