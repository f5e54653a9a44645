"""Adds `--plot FILE.svg` to verbs, and writes the picture."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.outputs import check_output, inputs_of

if TYPE_CHECKING:
    from tfrec.pages.blocks import Figure

_KIND = "picture of findings"


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument("--plot", type=Path, metavar="FILE", help=".svg picture of the findings")


def check_plot(options: argparse.Namespace) -> None:
    """Refuses a picture that cannot be written, before the analysis is run.

    Raises:
        ConfigError: the name does not end in `.svg`.
        SourceError: it may not be overwritten.
    """
    from tfrec.errors import ConfigError

    if options.plot is not None and options.plot.suffix != ".svg":
        raise ConfigError(f"--plot writes .svg; got {options.plot.name}. Rename it.")
    check_output(options, options.plot, _KIND)


def save_plot(options: argparse.Namespace, figure: "Figure") -> None:
    """Writes the picture with its title and caption, light or dark as the reader's system is."""
    from tfrec.pages.render import render_picture
    from tfrec.publish import write_picture

    write_picture(options.plot, render_picture(figure), _KIND, inputs=inputs_of(options), force=options.force)
