"""Shows the scripts of `examples/` on the page of the tutorials."""

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "examples"
_MARKER = re.compile(r"<!-- example: (\w+\.py) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces each marker by the script that it names."""
    return _MARKER.sub(lambda found: f"```python\n{(FOLDER / found[1]).read_text(encoding='utf-8')}```", markdown)
