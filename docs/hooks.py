"""What the site shows of files that lie outside `docs/`: the reports of the benchmarks and the changelog.

Pages link to them by their paths in the repository, so that the links work there too; on the site the files are pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "bench" / "reports"
LINK = re.compile(r"\]\(\.\./(bench/reports/|CHANGELOG\.md|CONTRIBUTING\.md)")
PLACES = {"bench/reports/": "reports/", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the reports with their charts, and the changelog."""
    shown = {f"reports/{path.name}": path for path in sorted(REPORTS.iterdir()) if path.suffix in (".md", ".svg")}
    shown |= {"changelog.md": ROOT / "CHANGELOG.md"}
    for place, path in shown.items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links to those files into links to their pages; leave out what only a reader of the repository sees."""
    return LINK.sub(lambda match: f"]({PLACES[match[1]]}", markdown)
