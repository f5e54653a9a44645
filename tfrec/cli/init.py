"""`tfrec init`: writes a starting recipe for raw files, with the evidence for each guess."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.prepared_counts import print_counts

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.layouts import Draft

HELP = "look at raw files or a database and write a starting recipe for them"
DESCRIPTION = """\
Looks at a shop's raw files or database and writes a recipe (TOML) that `tfrec prepare` reads: what each column means,
how times and numbers are written, which rows are no sales. Each guess stands beside its evidence; what is not stated
is a commented line to be decided. Exports and tables of known shop systems are recognised by their columns; others are
guessed by the names of columns, in several languages, and by what they hold. A catalogue beside the orders becomes
[items].
"""
EXAMPLES = """\
examples:
  tfrec init orders_export.csv                                 # writes orders_export.toml
  tfrec init orders_export.csv products_export.csv --out my_shop.toml --check
  tfrec init exports/ --out my_shop.toml                       # all files of a folder, or of a zip archive
  tfrec init 'mysql://${DB_USER}:${DB_PASSWORD}@host/shop'     # tables of a database, or those behind a #:
  tfrec init 'postgresql://${DB_USER}:${DB_PASSWORD}@host/shop#orders,order_lines,products'
  tfrec prepare my_shop.toml --out prepared/my_shop

known exports:
  Amazon Seller Central order reports, BigCommerce, Google Analytics 4 in BigQuery, Google Merchant product feeds,
  Magento 2, PrestaShop, Shopify orders and products, WooCommerce (analytics, order exports, REST API)
"""
INTERRUPTED = "Nothing was written. Run the same command again."
_WHAT = "a recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="raw file, folder, zip archive, or URL of a database")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RECIPE.toml",
        help="recipe to be written (default: NAME.toml in the current folder)",
    )
    parser.add_argument("--check", action="store_true", help="preparation of a sample, and what would be said of it")
    parser.add_argument("--force", action="store_true", help="permission to overwrite a recipe that is there")


def run(options: argparse.Namespace) -> int:
    """Writes the recipe and shows what came of it."""
    from tfrec.errors import ConfigError, TfrecError
    from tfrec.layouts import preview_rows, propose_recipe, write_toml
    from tfrec.layouts.databases import is_database
    from tfrec.layouts.propose import name_of
    from tfrec.layouts.toml_text import names_below
    from tfrec.publish import check_file, writing
    from tfrec.sources.database import Database

    out: Path = options.out or Path(f"{name_of(options.paths)}.toml")
    if out.suffix != ".toml":
        raise ConfigError(f"A recipe is a TOML file: its name ends in .toml; got {out}. Rename it.")
    inputs = [path for path in map(Path, options.paths) if path.is_file()]
    present = _present(out)
    if not present:
        check_file(out, _WHAT, inputs=inputs, force=options.force)
    named = [Database(path).shown if is_database(path) else path for path in options.paths]
    sys.stderr.write(f"Looking at {', '.join(named)} ...\n")
    draft = propose_recipe(options.paths, name=name_of([out]))
    text = write_toml(draft, naming=names_below(out.absolute().parent))
    _check_recipe(text, out, draft)
    if present != text:  # else it stands there already
        with writing(out, _WHAT, inputs=inputs, force=options.force) as work:
            work.write_text(text, encoding="utf-8")
    print(f"{out}: {'; '.join(part.title for part in draft.parts)}")
    for path, reason in draft.unused:
        print(f"  not used   {path}: {reason}")
    if draft.num_open:
        print(f"  to decide  {draft.num_open} commented lines or rules, each with what to put there")
    if not draft.has_events:
        print("Orders or events are missing: name their files, too, or put them into [events] (docs/recipes.md).")
        return 0
    try:
        _print_preview(preview_rows(draft))
    except TfrecError as error:
        print(f"The rows cannot be read by it yet: {error}")
        print(f"Next: correct {out}, then: tfrec prepare {out} --out prepared/{draft.name}")
        return 1
    status = _check_sample(draft) if options.check else 0
    print(f"Next: read {out}, then: tfrec prepare {out} --out prepared/{draft.name}")
    return status


def _present(out: Path) -> str:
    """Returns the recipe that an earlier run wrote, or an empty text; it may have been edited since."""
    try:
        text = out.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if text.startswith("# A starting recipe, written by `tfrec init`.") else ""


def _check_recipe(text: str, out: Path, draft: "Draft") -> None:
    """Refuses to write what `tfrec prepare` would not understand."""
    import tomllib

    from tfrec.ingest.recipes import Recipe
    from tfrec.ingest.typed_toml import typed

    if draft.has_events:
        typed(Recipe, tomllib.loads(text), where=str(out))


def _print_preview(rows: "pd.DataFrame") -> None:
    from tfrec.schema.text_columns import cut, text_table

    print("The first rows, as it reads them:")
    cells = [[cut(_shown(value)) for value in row] for row in rows.itertuples(index=False)]
    print(text_table([*rows.columns], cells, indent="  "))


def _shown(value: object) -> str:
    if value is None or value != value or value == "":
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_sample(draft: "Draft") -> int:
    from tfrec.errors import TfrecError
    from tfrec.layouts import prepare_sample

    try:
        about, is_part = prepare_sample(draft)
    except TfrecError as error:
        print(f"Preparing a sample failed: {error}")
        return 1
    print(f"Preparing {'the first rows' if is_part else 'all rows'} gives:")
    print_counts(about)
    return 0
