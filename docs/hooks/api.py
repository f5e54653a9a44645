"""Adds a page for each public package, a section for each of its modules: the API reference is the package tree."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import tfrec

ROOT = Path(tfrec.__file__).parent


def public_packages() -> list[str]:
    """Returns the names below `tfrec` that its `__all__` lists as packages or modules."""
    return sorted(name for name in tfrec.__all__ if (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file())


def public_modules(package: str) -> list[str]:
    """Returns the full names of a package's public modules, subpackages included."""
    folder = ROOT / package
    if not folder.is_dir():
        return []
    found = (path.relative_to(ROOT.parent).with_suffix("") for path in folder.rglob("*.py"))
    names = {".".join(path.parent.parts if path.name == "__init__" else path.parts) for path in found}
    return sorted(name for name in names - {f"tfrec.{package}"} if not any(part[0] == "_" for part in name.split(".")))


def on_config(config: Any) -> Any:
    """Puts the pages of the packages into the navigation."""
    for entry in config.nav:
        if entry.get("API reference") == "api/index.md":
            pages = [{f"tfrec.{package}": f"api/{package}.md"} for package in public_packages()]
            entry["API reference"] = [{"Overview": "api/index.md"}, *pages]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds the generated pages."""
    files.append(File.generated(config, "api/index.md", content="\n".join(describe_packages())))
    for package in public_packages():
        files.append(File.generated(config, f"api/{package}.md", content="\n".join(describe_package(package))))
    return files


def describe_packages() -> Iterator[str]:
    """Yields the overview: a line a package."""
    yield "# API reference\n"
    yield "Made from the docstrings. `tfrec.load(folder)` returns a [`Shop`][tfrec.features.shop.Shop].\n"
    yield "| package | what it is |\n| --- | --- |"
    for package in public_packages():
        yield f"| [`tfrec.{package}`]({package}.md) | {_summary(f'tfrec.{package}')} |"


def describe_package(package: str) -> Iterator[str]:
    """Yields the page of a package: its docstring, its exported names, then its modules."""
    name = f"tfrec.{package}"
    modules = public_modules(package)
    yield f"# {name}\n"
    if not modules:
        yield f"::: {name}\n    options: {{heading_level: 2}}\n"
        return
    yield f"::: {name}\n    options: {{members: {json.dumps(_own(name))}}}\n"
    exported = _exported(name)
    if exported:
        yield "Exports " + ", ".join(f"`{one}`" for one in exported) + ".\n"
    for module in modules:
        yield f"\n## {module}\n\n::: {module}\n    options: {{members: {json.dumps(_own(module))}}}\n"


def _own(name: str) -> list[str] | bool:
    """Returns what a module defines itself, so that what it exports from elsewhere has one place; False = nothing."""
    names = []
    for node in _source(name).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [one for one in names if not one.startswith("_")] or False


def _source(name: str) -> ast.Module:
    path = ROOT.parent.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _summary(name: str) -> str:
    return (ast.get_docstring(_source(name)) or "").partition("\n")[0].replace("|", "\\|")


def _exported(name: str) -> list[str]:
    """Returns the strings of a package's `__all__`, read without importing it; names loaded on use have a stub."""
    stub = ROOT.parent.joinpath(*name.split("."), "__init__.pyi")
    tree = ast.parse(stub.read_text(encoding="utf-8")) if stub.is_file() else _source(name)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return [one.value for one in getattr(node.value, "elts", []) if isinstance(one, ast.Constant)]
    return []
