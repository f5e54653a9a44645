"""Fills the page of the command line from the parser, so that it is never out of date.

The list of verbs stands in the page itself (`written_tables.py`), the arguments of each in the built page alone.
"""

import argparse
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from tfrec import cli

MARKER = "<!-- arguments -->"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replaces the marker of `command-line.md` by a section for each verb."""
    if page.file.src_uri != "command-line.md":
        return markdown
    return markdown.replace(MARKER, "\n".join(describe_verbs()))


def list_verbs() -> Iterator[str]:
    """Yields the table of all verbs, in the groups of `tfrec --help`."""
    yield "| verb | what it does |\n| --- | --- |"
    for title, verbs in cli.GROUPS.items():
        yield f"| *{title}* | |"
        for verb in verbs:
            yield f"| `{verb.__name__.rpartition('.')[2]}` | {_cell(verb.HELP)} |"


def describe_verbs() -> Iterator[str]:
    """Yields the Markdown lines of all verbs, in the groups of `tfrec --help`."""
    parsers = _children(cli.build_parser())
    for title, verbs in cli.GROUPS.items():
        yield f"\n## {title[0].upper()}{title[1:]}\n"
        names = [verb.__name__.rpartition(".")[2] for verb in verbs]
        for name in names:
            yield from _describe(parsers[name], level=3)


def _describe(parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    yield f"\n{'#' * level} {parser.prog} {{#{parser.prog.replace(' ', '-')}}}\n"
    yield from _prose(parser.description or "")
    actions = _children(parser)
    if not actions:
        yield f"\n```text\n{_usage(parser)}\n```\n"
    first, second, *others = parser._action_groups  # positional arguments and options share a table
    yield from _arguments("", [*first._group_actions, *second._group_actions])
    for group in others:
        yield from _arguments(group.title or "", group._group_actions)
    yield from _examples(parser.epilog or "")
    for action in actions.values():
        yield from _describe(action, level=level + 1)


def _usage(parser: argparse.ArgumentParser) -> str:
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    # An option and its value stay together.
    joined = re.sub(r"\[[^\[\]]*\]", lambda option: option[0].replace(" ", "\N{NO-BREAK SPACE}"), usage)
    lines = textwrap.wrap(joined, 88, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Returns the parsers below a parser by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _prose(text: str) -> Iterator[str]:
    """Yields a description: paragraphs as text, indented lines as a block of code."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = paragraph.splitlines()
        indented = [line for line in lines if line.startswith("  ")]
        if indented:
            head = [line for line in lines if not line.startswith("  ")]
            yield f"\n{_escaped(' '.join(head))}\n" if head else ""
            yield "```text\n" + "\n".join(line.removeprefix("  ") for line in indented) + "\n```\n"
        else:
            yield f"\n{_escaped(' '.join(lines))}\n"


def _arguments(title: str, listed: Sequence[argparse.Action]) -> Iterator[str]:
    actions = [
        action
        for action in listed
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.dest != "verbose"
        and action.help is not argparse.SUPPRESS
    ]
    if not actions:
        return
    if title:
        yield f"\n{_escaped(title[0].upper() + title[1:])}:\n"
    yield "\n| argument | meaning | default |\n| --- | --- | --- |"
    for action in actions:
        yield f"| {_name(action)} | {_cell(_help(action))} | {_default(action)} |"
    yield ""


def _name(action: argparse.Action) -> str:
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else None)
    if not action.option_strings:
        return f"`{_code(value or action.dest)}`"
    takes_value = action.nargs != 0
    shown = f" {value or action.dest.upper()}" if takes_value else ""
    return ", ".join(f"`{_code(option + shown)}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    text = re.sub(r"%\(default\)s", str(action.default), action.help or "")
    return text.replace("%%", "%") + (" (required)" if action.option_strings and action.required else "")


def _default(action: argparse.Action) -> str:
    default = action.default
    if default in (None, False, argparse.SUPPRESS, []) or not action.option_strings:
        return ""
    return f"`{_code(str(default))}`"


def _examples(text: str) -> Iterator[str]:
    """Yields the epilog: each head with its indented lines as code."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        head, _, body = paragraph.partition("\n")
        if not body:
            yield f"\n{_escaped(head)}\n"
            continue
        language = "toml" if ".toml" in head else "bash"
        code = "\n".join(line.removeprefix("  ") for line in body.splitlines())
        yield f"\n{_escaped(head[0].upper() + head[1:])}\n\n```{language}\n{code}\n```\n"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _code(text: Any) -> str:
    return ", ".join(text) if isinstance(text, tuple) else str(text)


def _escaped(text: str) -> str:
    """Returns text in which Markdown reads no emphasis and no tags, code in backticks left as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]|])", r"\\\1", part) for part in parts)
