from .draft import Draft, Entry, Part, Section
from .layout import Layout
from .propose import propose_recipe
from .registry import LAYOUTS
from .sample import prepare_sample, preview_rows
from .toml_text import write_toml

__all__ = [
    "LAYOUTS",
    "Draft",
    "Entry",
    "Layout",
    "Part",
    "Section",
    "prepare_sample",
    "preview_rows",
    "propose_recipe",
    "write_toml",
]
