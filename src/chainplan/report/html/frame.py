"""The file around the parts: template, style and script in one, allowed to run nothing else.

The content security policy names the style and the script by their hashes, so that whatever else came to stand in the
page, by markup in a name or by an edit, would be shown at most and never run.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

_SLOT = re.compile(r"\{\{([a-z-]+)\}\}")


def framed(parts: dict[str, str]) -> str:
    """The template with each of its slots filled once; what fills a slot is not looked at again."""
    style, script = _file("style.css"), _file("script.js")
    filled = {
        "style": style,
        "script": script,
        "style-hash": _hashed(style),
        "script-hash": _hashed(script),
        **parts,
    }
    return _SLOT.sub(lambda slot: filled[slot[1]], _file("template.html"))


@cache
def _file(name: str) -> str:
    return files("chainplan.report.html").joinpath(name).read_text(encoding="utf-8")


def _hashed(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
