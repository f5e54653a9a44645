"""Makes pages of documents that stay outside `docs/`, and links that work in the repository work in the site, too."""

import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "serving/README.md": "runbook.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Document in the repository → page of the site."""

_LINK = re.compile(r"\[([^\]\n]+)\]\(((?:\.\./)*[\w./-]+)(#[\w-]+)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds a page for each document."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links to such documents into links to their pages, and those to other files of the repository into text."""
    site = page.file.src_uri
    sources = {target: source for source, target in PAGES.items()}
    folder = PurePosixPath(sources.get(site, f"docs/{site}")).parent

    def rewrite(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        target = posixpath.normpath(str(folder / link))
        if target in PAGES:
            relative = posixpath.relpath(PAGES[target], start=posixpath.dirname(site) or ".")
            return f"[{text}]({relative}{anchor})"
        if target.startswith("docs/") or not (ROOT / target).exists():
            relative = posixpath.relpath(target.removeprefix("docs/"), start=posixpath.dirname(site) or ".")
            return match[0] if site not in sources else f"[{text}]({relative}{anchor})"
        return text

    return _LINK.sub(rewrite, markdown)
