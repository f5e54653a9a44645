"""What pip gets: the name of the distribution, its extras, the files of the wheel. `make test-install` builds both."""

import ast
import configparser
import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

import tfrec
from tfrec.errors import DISTRIBUTION, install_hint

ROOT = Path(__file__).parents[1]
RECOMMENDING = (*("tfrec", "serving", "k8s", "tests"), "Makefile")
"""Files and folders whose words recommend what to install."""


@pytest.fixture(scope="module")
def settings():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def tracked(*places):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_the_hints_name_is_the_distributions(settings):
    assert settings["metadata"]["name"] == DISTRIBUTION
    assert settings["metadata"]["version"] == "attr: tfrec.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", tfrec.__version__)


def test_a_hint_names_clone_wheel_and_extras():
    assert install_hint("train") == (
        "Install the extra `train` of tfrec-shop: pip install '.[train]' in a clone, "
        "or pip install 'PATH.whl[train]' with a built wheel"
    )
    assert "extras `train` and `analysis` of" in install_hint("train", "analysis")
    assert install_hint("train", "analysis").count("[train,analysis]") == 2


def test_every_hint_of_the_package_names_extras_that_exist(settings):
    extras = set(settings["options.extras_require"])
    asked = set()
    for file in (ROOT / "tfrec").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "install_hint":
                asked |= {argument.value for argument in node.args}
    assert asked <= extras
    assert asked >= {"train", "analysis", "tracking", "tune", "publish", "benchmarks"}


def test_train_includes_what_runs_without_tensorflow(settings):
    train = settings["options.extras_require"]["train"]
    assert "%(analysis)s" in train or "jinja2" in train
    assert "tensorflow" not in settings["options.extras_require"]["analysis"]


def test_no_text_recommends_the_other_project_called_tfrec():
    other = re.compile(r"pip3? install[^\n#]*[\s'\"]tfrec\b(?![-./])|\btfrec\[(?=[a-z])")
    assert other.search("pip install 'tfrec[train]'") and other.search("pip install tfrec")
    for file in tracked(*RECOMMENDING):
        if file != Path(__file__):
            found = other.search(file.read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{file}: {found}"


def test_every_file_of_the_package_is_in_the_wheel(settings):
    data = {
        package: [pattern.strip() for pattern in patterns.split(",")]
        for package, patterns in settings["options.package_data"].items()
    }
    left_out = []
    for file in tracked("tfrec"):
        inside = file.relative_to(ROOT)
        if file.suffix == ".py":
            assert (file.parent / "__init__.py").is_file(), (
                f"{inside.parent} is no package, so that {inside} is left out"
            )
        elif not any(
            fnmatch.fnmatch(str(inside), f"{package.replace('.', '/')}/{pattern}")
            for package, patterns in data.items()
            for pattern in patterns
        ):
            left_out.append(str(inside))
    assert left_out == []
