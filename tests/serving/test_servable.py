"""A SavedModel called through the C API behaves as TF Serving calls it, and gives back every byte."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.serving.requests import request_to
from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.c_api import _read_slots
from tfrec.serving.prediction import predict
from tfrec.serving.servable import Servable

PLACE = sorted(spec.name for spec in SIGNATURES["similar"].inputs).index("k")
"""Place of the input `k` among the arguments, which are in the order of their names."""


@pytest.fixture(scope="module")
def shop(tiny_models: Path) -> Iterator[Servable]:
    with Servable.load(tiny_models / "shop" / "1") as servable:
        yield servable


@pytest.fixture(scope="module")
def plain(tiny_models: Path) -> Iterator[Servable]:
    with Servable.load(tiny_models / "plain" / "1") as servable:
        yield servable


STRINGS = ["", "a", "x" * 21, "x" * 22, "x" * 23, "ü" * 11, "ü" * 12, "z" * 5000, "nul\x00inside", "trailing\x00"]


@pytest.mark.parametrize("as_bytes", [False, True], ids=["str", "bytes"])
def test_strings_of_every_length_come_back_unchanged(plain: Servable, as_bytes: bool):
    given = np.array(STRINGS, dtype=object).reshape(2, 5)
    answer = plain.call("echo_string", {"x": given}, as_bytes=as_bytes)["y"]
    expected = [one.encode() for one in STRINGS] if as_bytes else STRINGS
    assert answer.shape == (2, 5)
    assert answer.ravel().tolist() == expected


@pytest.mark.parametrize(
    "given",
    [
        np.array(["ab", "", "x" * 30]),
        np.array([b"ab", b"", b"x" * 30]),
        np.array(["ab", b"", "x" * 30], dtype=object),
        np.array(["ab", "", "x" * 30], dtype=np.dtypes.StringDType()),
        ["ab", "", "x" * 30],
    ],
    ids=["U", "S", "mixed object", "StringDType", "list"],
)
def test_every_kind_of_string_array_is_taken(plain: Servable, given):
    assert plain.call("echo_string", {"x": given})["y"].tolist() == ["ab", "", "x" * 30]


def test_bytes_that_are_not_utf8_survive_a_round_trip(plain: Servable):
    raw = np.array([b"\xff\xfe", b"\x80" * 40, b"fine"], dtype=object)
    decoded = plain.call("echo_string", {"x": raw})["y"]
    assert [type(one) for one in decoded] == [str, str, str]
    assert plain.call("echo_string", {"x": decoded}, as_bytes=True)["y"].tolist() == raw.tolist()


@pytest.mark.parametrize("missing", [None, 3, float("nan")])
def test_what_is_no_string_is_named(plain: Servable, missing):
    with pytest.raises(SchemaError, match="`str` or `bytes`"):
        plain.call("echo_string", {"x": np.array(["a", missing], dtype=object)})
    with pytest.raises(SchemaError, match="`str` or `bytes`"):
        plain.call("echo_string", {"x": np.array([missing], dtype=object)})


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int32", "int64", "bool", "uint8", "int16", "float16", "complex64"]
)
@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 3), (2, 0, 3)], ids=str)
def test_numbers_come_back_unchanged(plain: Servable, dtype: str, shape: tuple[int, ...]):
    given = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 3).astype(dtype)
    answer = plain.call(f"echo_{dtype}", {"x": given})["y"]
    assert answer.dtype == given.dtype
    np.testing.assert_array_equal(answer, given)


def test_a_transposed_array_keeps_its_values(plain: Servable):
    given = np.arange(6, dtype=np.int64).reshape(2, 3).T
    np.testing.assert_array_equal(plain.call("echo_int64", {"x": given})["y"], given)
    words = np.array([["a", "b"], ["c", "d"]]).T
    assert plain.call("echo_string", {"x": words})["y"].tolist() == [["a", "c"], ["b", "d"]]


def test_strings_that_tensorflow_keeps_elsewhere_are_read():
    """TensorFlow hands out `TF_TString`s that view foreign memory, or lie behind themselves (mapped files)."""
    viewed = ctypes.create_string_buffer(b"v" * 30)
    memory = np.zeros(3 * 24 + 40, np.uint8)
    memory[:3] = [2 << 2, *b"ab"]
    memory[24:40].view(np.uint64)[:] = [30 << 2 | 3, ctypes.addressof(viewed)]
    memory[48:56].view(np.uint32)[:] = [40 << 2 | 2, 24]
    memory[72:] = ord("o")
    assert _read_slots(memory.ctypes.data, 3, as_bytes=True) == [b"ab", b"v" * 30, b"o" * 40]


def test_what_a_request_leaves_out_takes_its_default(shop: Servable):
    answer = shop.call("cross_sell", {"cart_item_ids": np.array([["item_0", "item_2"]])})
    assert answer["item_ids"][0].tolist() == ["item_1", "item_3", "item_4", "item_5", "", ""]
    assert shop.signatures["similar"].defaults["k"].tolist() == [10]


def test_inputs_that_name_their_default_are_not_turned_into_tensors_again(shop: Servable, monkeypatch):
    """A client names all inputs, so that requests can be merged; most hold their padding."""
    padding = {
        spec.name: np.full([1] * spec.rank, spec.padding, object if spec.dtype == "string" else spec.dtype)
        for spec in SIGNATURES["cross_sell"].inputs
    }
    cart = np.array([["", "item_1"]], object)
    request = request_to("shop", "cross_sell", inputs={})
    for alias, value in {**padding, "cart_item_ids": cart}.items():
        request.inputs[alias].CopyFrom(wire.to_tensor_proto(value))
    fed = []
    run = Servable.run
    monkeypatch.setattr(Servable, "run", lambda self, *given, **more: fed.append(given[1]) or run(self, *given, **more))
    answer = predict(shop, request, version=1).outputs["item_ids"].string_val
    assert list(fed[0]) == ["cart_item_ids"]
    assert list(answer) == shop.call("cross_sell", {"cart_item_ids": cart}, as_bytes=True)["item_ids"][0].tolist()


def test_only_the_wanted_outputs_come(shop: Servable):
    assert list(shop.call("similar", {}, ["prices", "scores"])) == ["prices", "scores"]


def test_each_row_gets_its_own_answer(shop: Servable):
    answer = shop.call(
        "complete_cart",
        {
            "cart_item_ids": [["item_0", ""], ["item_1", "item_0"]],
            "k": np.array([1, 2], np.int32),
            "user_id": ["a", "b"],
        },
    )
    assert answer["item_ids"].tolist() == [["item_1", ""], ["item_2", "item_3"]]
    assert answer["reason_item_ids"].tolist() == [["a", ""], ["b", "b"]]


@pytest.mark.parametrize(
    ("signature", "inputs", "output_filter", "code", "text"),
    [
        ("nope", {}, (), 9, 'Serving signature key "nope" not found.'),
        ("", {}, (), 9, 'Serving signature key "serving_default" not found.'),
        ("similar", {"uid": np.array(["a"])}, (), 3, "Inputs contains invalid name"),
        ("similar", {"k": np.array([1])}, (), 3, rf"Expects arg\[{PLACE}\] to be int32 but int64 is provided"),
        ("similar", {}, ("nope",), 3, "output tensor alias not found in signature: nope"),
        ("similar", {}, ("scores", "scores"), 3, "duplicate output tensor alias: scores"),
        ("__saved_model_init_op", {}, (), 11, "does not have output 0"),
    ],
    ids=["signature", "default signature", "alias", "dtype", "output", "output twice", "init op"],
)
def test_mistakes_get_tf_servings_code_and_words(shop: Servable, signature, inputs, output_filter, code, text):
    with pytest.raises(ServingError, match=text) as caught:
        shop.call(signature, inputs, output_filter)
    assert caught.value.code == code


def test_an_error_in_the_graph_carries_its_code_and_leaves_the_servable_usable(plain: Servable):
    with pytest.raises(ServingError, match="x must not be negative") as caught:
        plain.call("fail", {"x": np.array([1, -1], np.float32)})
    assert caught.value.code == 3
    assert plain.call("fail", {"x": np.array([1], np.float32)})["y"].tolist() == [1.0]


def test_a_run_past_its_time_is_given_up(plain: Servable):
    with pytest.raises(ServingError, match="Timed out") as caught:
        plain.call("slow", {"rounds": 1_000_000}, timeout_ms=50)
    assert caught.value.code == 4


@pytest.mark.parametrize("content", [None, b"", b"no protobuf \xff\xff"], ids=["missing", "empty", "garbage"])
def test_a_folder_without_a_saved_model_says_so(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ServingError, match=str(tmp_path)):
        Servable.load(tmp_path)


def test_a_half_copied_version_is_a_serving_error(tiny_models: Path, tmp_path: Path):
    shutil.copytree(tiny_models / "shop" / "1", tmp_path, dirs_exist_ok=True)
    (tmp_path / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(ServingError, match="cannot be loaded"):
        Servable.load(tmp_path)


def test_many_threads_get_their_own_answers(shop: Servable):
    wrong: list[str] = []

    def ask(name: str) -> None:
        for _ in range(100):
            answer = shop.call("cross_sell", {"user_id": [name], "k": [1]})
            if answer["reason_item_ids"][0, 0] != name:
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(f"user {number} " + "x" * 5 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_close_waits_for_calls_and_refuses_later_ones(tiny_models: Path):
    servable = Servable.load(tiny_models / "plain" / "1", intra_op_threads=1, inter_op_threads=1)
    with servable.in_use():
        closing = threading.Thread(target=servable.close)
        closing.start()
        refused = threading.Thread(target=wait_until_refused, args=(servable,))
        refused.start()
        refused.join()
        assert closing.is_alive()
        assert servable.call("slow", {"rounds": 5})["y"].shape == (600,)  # whoever holds it may go on
    closing.join()
    servable.close()
    with pytest.raises(ServingError, match="closed"):
        servable.call("slow", {"rounds": 1})


def wait_until_refused(servable: Servable) -> None:
    """Calls from a thread that does not hold the servable, until `close` has begun in another one."""
    while True:
        try:
            servable.call("slow", {"rounds": 1})
        except ServingError as error:
            assert "closed" in str(error)
            return


_LONG_RUN = """
import sys
from pathlib import Path
import numpy as np
from tfrec.serving.servable import Servable

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

shop = Servable.load(Path(sys.argv[1]) / "shop" / "1")
plain = Servable.load(Path(sys.argv[1]) / "plain" / "1")
cart = np.array([["u" * 40, "v"] * 5], dtype=object)

def work():
    shop.call("cross_sell", {"user_id": ["z" * 36], "cart_item_ids": cart})
    plain.call("join", {"x": np.array(["z" * 40_000], dtype=object)})
    try:
        plain.call("echo_int64", {"x": np.float32([1])})
    except RuntimeError:
        pass

for _ in range(500):
    work()
before = resident_mib()
for _ in range(7000):
    work()
assert "tensorflow" not in sys.modules
print(resident_mib() - before)
"""


@pytest.mark.slow
def test_twenty_thousand_calls_leak_nothing_and_need_no_python_tensorflow(tiny_models: Path):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _LONG_RUN, tiny_models], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 10  # one lost string of each call would be 270 MiB
