"""Writes the tables that are made from the code into the Markdown pages: `python docs/hooks/written_tables.py`.

They stand in the pages themselves, so that a reader of the repository sees them too; a test holds them to the code.
"""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

HOOKS = Path(__file__).parent
DOCS = HOOKS.parent
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def _hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_hook_{name}", HOOKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def makers() -> dict[str, Callable[[], Iterator[str]]]:
    """Returns name of a table → what yields its lines."""
    contract, recipes, command_line = (_hook(name) for name in ("contract", "recipes", "command_line"))
    return {
        "signatures": contract.describe_signatures,
        "inputs": contract.describe_inputs,
        "outputs": contract.describe_outputs,
        "reasons": contract.describe_reasons,
        "recipes": recipes.describe_recipes,
        "verbs": command_line.list_verbs,
    }


def with_tables(markdown: str) -> str:
    """Returns a page with each table as the code has it now."""
    tables = makers()
    return _TABLE.sub(lambda match: f"{match[1]}{chr(10).join(tables[match[2]]())}\n{match[4]}", markdown)


def main() -> None:
    """Writes the pages that are out of date."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if "<!-- table: " in text and (written := with_tables(text)) != text:
            page.write_text(written, encoding="utf-8")
            sys.stderr.write(f"{page} is up to date now\n")


if __name__ == "__main__":
    main()
