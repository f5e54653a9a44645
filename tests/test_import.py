"""How the package is imported, each case in a Python of its own."""

import os
import subprocess
import sys

import pytest


def run(script, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    return subprocess.run(
        [sys.executable, "-c", script], env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def test_importing_the_package_loads_nothing_heavy():
    script = """
import sys, tfrec
heavy = {"tensorflow", "tf_keras", "keras", "pandas", "scipy", "sklearn", "ibis", "grpc"} & set(sys.modules)
assert not heavy, heavy
assert "tensorflow" not in sys.modules
"""
    assert run(script).stderr == ""


@pytest.mark.slow
def test_the_package_chooses_keras_2_for_tensorflow():
    script = """
import os, tfrec
assert os.environ["TF_USE_LEGACY_KERAS"] == "1"
import tensorflow as tf
assert tf.keras.layers.Dense.__module__.startswith("tf_keras.")
assert tfrec.models.RetrievalModel.__mro__[1].__module__.startswith("tensorflow_recommenders")
"""
    result = run(script)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "environment", "words"),
    [
        ("import tensorflow as tf; tf.keras.layers; import tfrec.models", {}, "import tfrec` above every import"),
        ("import tfrec.models", {"TF_USE_LEGACY_KERAS": "0"}, "Take TF_USE_LEGACY_KERAS=0 out of the environment"),
    ],
    ids=["Keras 3 touched before", "Keras 3 asked for"],
)
def test_keras_3_is_refused_with_what_to_do(script, environment, words):
    result = run(script, **environment)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("tfrec.errors.EnvironmentSetupError: Models need Keras 2")
    assert words in last


def test_a_name_that_does_not_exist_is_an_attribute_error():
    import tfrec

    with pytest.raises(AttributeError, match="no attribute 'modles'"):
        tfrec.modles  # noqa: B018
    assert {"load", "models", "training"} <= set(dir(tfrec))
