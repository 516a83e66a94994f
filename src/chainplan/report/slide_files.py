"""A slide as a file: SVG as it is drawn, PNG and PDF made of that by CairoSVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chainplan.errors import SpecError, missing_extra

PNG_WIDTH = 1920
"""Pixels of a PNG from left to right."""


def _svg(drawing: str) -> bytes:
    return drawing.encode()


def _png(drawing: str) -> bytes:
    import cairosvg

    return bytes(cairosvg.svg2png(bytestring=drawing.encode(), output_width=PNG_WIDTH))


def _pdf(drawing: str) -> bytes:
    import cairosvg

    return bytes(cairosvg.svg2pdf(bytestring=drawing.encode()))


SLIDE_FILES: dict[str, Callable[[str], bytes]] = {".svg": _svg, ".png": _png, ".pdf": _pdf}
"""The kinds of files by their suffix."""


def slide_writer(path: str) -> Callable[[str], bytes]:
    """Return the function that makes the bytes of a file of an SVG, by the suffix of the file.

    Raises
    ------
    SpecError
        Where the suffix is another one, or what makes such files is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SLIDE_FILES:
        raise SpecError(f"{path}: found the suffix '{suffix}'; expected one of {', '.join(SLIDE_FILES)}. Rename it.")
    if SLIDE_FILES[suffix] is not _svg:
        _require_cairo(path)
    return SLIDE_FILES[suffix]


def _require_cairo(path: str) -> None:
    """Refuse where CairoSVG, or the library that it calls, is missing."""
    try:
        import cairosvg  # noqa: F401
    except ImportError:
        raise SpecError(f"{missing_extra(path, 'CairoSVG', 'draw')}, or write slide.svg.") from None
    except OSError:
        found = "CairoSVG does not find the library cairo; expected it on this machine"
        raise SpecError(f"{path}: {found}. Install it (apt-get install libcairo2), or write slide.svg.") from None
