"""Builds sdist and wheel, checks them, and tries the wheel in fresh environments: `make test-install`.

Two environments, each away from the clone:
- base: what the wheel requires, from the package index. The client imports, and the help of every verb is there.
- train: links to those packages of the environment that runs this file that the extra `train` requires, and to no
  other, so that nothing is downloaded twice and yet a requirement that is left out is found. `tfrec demo --fast` runs.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BEGAN = time.monotonic()
SDIST_ALONE = {"PKG-INFO", "README.md", "LICENSE", "MANIFEST.in", "setup.cfg", "pyproject.toml"}
"""Files of the sdist beside the package and its `egg-info`."""
NOT_IN_BASE = ("tensorflow", "tf_keras", "pandas", "scipy", "sklearn", "pyarrow", "duckdb", "ibis", "matplotlib")
CLIENT = f"""
import importlib.util, tfrec, tfrec.client
there = [name for name in {NOT_IN_BASE!r} if importlib.util.find_spec(name)]
assert not there, f"the base install brings {{there}}"
assert callable(tfrec.client.RecommenderClient)
"""
HELP = """
from tfrec.cli import VERBS, main
for verb in VERBS:
    for action in (None, *getattr(verb, "ACTIONS", ())):
        words = [module.__name__.rpartition(".")[2] for module in (verb, action) if module]
        try:
            main([*words, "--help"])
        except SystemExit as ended:
            assert ended.code == 0, words
        else:
            raise AssertionError(words)
"""


def main() -> None:
    """Builds, checks and tries; the first thing that is wrong ends it."""
    with tempfile.TemporaryDirectory(prefix="tfrec-install-") as scratch:
        work = Path(scratch)
        files = _tracked_files()
        _say("Building sdist and wheel")
        sdist, wheel = _build(files, work)
        _check_contents(sdist, wheel, {name for name in files if name.startswith("tfrec/")})
        _say("Installing the wheel alone")
        _try_base(wheel, work / "base")
        _say("Installing the wheel with the extra `train`, and running `tfrec demo --fast`")
        _try_train(wheel, work / "train")
        _say(f"Installed and run: {sdist.name}, {wheel.name}")


def _tracked_files() -> list[str]:
    """Names of what git tracks or does not ignore, so that no left-over of an earlier build is packed."""
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def _build(files: Iterable[str], work: Path) -> tuple[Path, Path]:
    """Builds the sdist from a copy of the files, the wheel from the sdist; returns both."""
    source, dist = work / "source", work / "dist"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    _run(sys.executable, "-m", "build", "--outdir", dist, source, cwd=work)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    _run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel, cwd=work)
    return sdist, wheel


def _check_contents(sdist: Path, wheel: Path, package: set[str]) -> None:
    """Checks that both hold the package as git has it, and nothing else but their own descriptions."""
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    in_sdist = {name for name in in_sdist if not re.match(r"\w+\.egg-info/", name)}
    for title, found, wanted in (("wheel", in_wheel, package), ("sdist", in_sdist, package | SDIST_ALONE)):
        if found != wanted:
            sys.exit(f"The {title} lacks {sorted(wanted - found)} and should not hold {sorted(found - wanted)}.")


def _try_base(wheel: Path, folder: Path) -> None:
    """Installs the wheel alone; imports the client and asks every verb for help, in an empty folder."""
    python, empty = _environment(folder)
    _pip(python, "install", "--quiet", wheel)
    _pip(python, "check")
    _run(python, "-c", CLIENT, cwd=empty)
    _run(python.with_name("tfrec"), "--help", cwd=empty)
    _run(python.with_name("tfrec"), "--version", cwd=empty)
    _run(python, "-c", HELP, cwd=empty)
    refused = _run(python.with_name("tfrec"), "train", "shop", "--out", "models", cwd=empty, status=2)
    hint = _run(python, "-c", "from tfrec.errors import install_hint; print(install_hint('train'))", cwd=empty)
    if hint.strip() not in refused:
        sys.exit(f"`tfrec train` should say how to install the extra; it says: {refused}")


def _try_train(wheel: Path, folder: Path) -> None:
    """Installs the wheel with the extra `train` and runs the demo in an empty folder."""
    python, empty = _environment(folder)
    with zipfile.ZipFile(wheel) as archive:
        (described,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(described).decode("utf-8")
    required = re.findall(r"^Requires-Dist: (.+)$", metadata, flags=re.M)
    _link(_closure(required, extra="train"), _site_packages(python))
    _pip(python, "install", "--quiet", "--no-index", f"{wheel}[train]")
    _pip(python, "check")
    told = _run(python.with_name("tfrec"), "demo", "--fast", cwd=empty)
    for words in ("In the cart:", "tfrec (served)", "These are the figures of `tfrec demo --fast`"):
        if words not in told:
            sys.exit(f"`tfrec demo --fast` should print {words!r}; it printed:\n{told}")


def _closure(required: Iterable[str], *, extra: str) -> list[Distribution]:
    """Returns the distributions of this environment that the requirements need, theirs included."""
    waiting = [(Requirement(text), extra) for text in required]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, of_extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": of_extra}):
            continue
        try:
            found[requirement.name] = needed = distribution(requirement.name)
        except PackageNotFoundError:
            sys.exit(f"{sys.executable} lacks {requirement}. Run `make setup`.")
        for of_needed in ("", *requirement.extras):
            if (requirement.name, of_needed) not in seen:
                seen.add((requirement.name, of_needed))
                waiting += [(Requirement(text), of_needed) for text in needed.requires or ()]
    return list(found.values())


def _link(distributions: Iterable[Distribution], target: Path) -> None:
    """Links what the distributions hold at the top of `site-packages`."""
    for needed in distributions:
        for name in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            if not (target / name).exists():
                (target / name).symlink_to(needed.locate_file(name))


def _environment(folder: Path) -> tuple[Path, Path]:
    """Returns the Python of a fresh virtual environment without pip, and an empty folder."""
    venv.create(folder / "venv", symlinks=True)
    (folder / "empty").mkdir()
    return folder / "venv" / "bin" / "python", folder / "empty"


def _site_packages(python: Path) -> Path:
    return Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=python.parent).strip())


def _pip(python: Path, *words: str | Path) -> None:
    """Runs this environment's pip on another's Python."""
    _run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, *words, cwd=python.parent)


def _run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Returns what a command prints, errors included where they are expected; ends at another status."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(list(map(str, command)), cwd=cwd, env=outside, capture_output=True, text=True, check=False)
    if ran.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: status {ran.returncode}\n{ran.stdout[-4000:]}{ran.stderr[-4000:]}")
    return ran.stdout + (ran.stderr if status else "")


def _say(doing: str) -> None:
    print(f"[{time.monotonic() - BEGAN:.0f} s] {doing}", flush=True)


if __name__ == "__main__":
    main()
