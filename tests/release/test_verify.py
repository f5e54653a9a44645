"""What is not as certified is found: weights, vocabularies, versions, in a folder and on a server."""

import json

import pytest

from tests.release.small_models import change_weight, put_version
from tfrec.cli import main
from tfrec.release.certificate import CERTIFICATE, read_certificate
from tfrec.release.replay import check_folder
from tfrec.release.verify import is_server, verify_place, verify_server
from tfrec.serving.server import EmbeddedServer


def change_word(folder):
    """Gives an item that is offered another id of the same length, in the graph's own table."""
    graph = folder / "saved_model.pb"
    word = read_certificate(folder).queries[0].item_ids[0]
    content = graph.read_bytes()
    assert word.encode() in content
    graph.write_bytes(content.replace(word.encode(), b"Z" + word.encode()[1:]))


def test_an_untouched_folder_answers_as_certified(models, capsys):
    assert main(["verify", str(models)]) == 0
    out = capsys.readouterr().out
    assert "ranking/1, retrieval/1, shop/1: " in out
    assert "answered as certified" in out


@pytest.mark.parametrize("change", [change_weight, change_word], ids=["one weight", "one vocabulary entry"])
def test_a_change_is_found_by_hash_and_by_answer(models, capsys, change):
    change(models / "shop" / "1")
    assert main(["verify", str(models), "--servable", "shop", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["differences"]
    files = [one["where"] for one in found if one["found"].startswith("sha256")]
    assert len(files) in (1, 2)  # a checkpoint's index holds the checksum of its data
    assert any(one["where"].startswith("complete_cart, query") for one in found)


def test_a_version_under_another_number_is_found(models, capsys):
    (models / "shop" / "1").rename(models / "shop" / "2")
    assert main(["verify", str(models / "shop" / "2")]) == 1
    assert "shop/1" in capsys.readouterr().out


def test_a_missing_file_is_found(models):
    (models / "shop" / "1" / "variables" / "variables.index").unlink()
    found = check_folder(models / "shop" / "1", servable="shop", version=1)
    assert found[0].where == "variables/variables.index"
    assert "Is it still being copied?" in found[1].found  # it is not loaded, so nothing is asked of it


def test_a_version_without_certificate_says_what_to_do(models, capsys):
    (models / "shop" / "1" / CERTIFICATE).unlink()
    assert main(["verify", str(models)]) == 2
    assert "tfrec export" in capsys.readouterr().err


@pytest.fixture
def served(certified, tmp_path):
    """A folder whose `shop` is served, and its copy that holds the certificates."""
    for name in ("served", "kept"):
        put_version(tmp_path / name, certified, 1, ("shop",))
    return tmp_path / "served", tmp_path / "kept"


def test_a_running_server_answers_as_certified(served, capsys):
    folder, kept = served
    with EmbeddedServer(folder, port=0) as server:
        target = f"localhost:{server.port}"
        assert is_server(target)
        assert main(["verify", target, "--models", str(kept)]) == 0
        assert "shop/1" in capsys.readouterr().out


@pytest.mark.parametrize("change", [change_weight, change_word], ids=["one weight", "one vocabulary entry"])
def test_a_running_server_with_a_change_is_found(served, change):
    folder, kept = served
    change(folder / "shop" / "1")
    with EmbeddedServer(folder, port=0) as server:
        assert verify_server(f"localhost:{server.port}", str(kept)).differences


def test_a_running_server_with_another_version_is_found(served):
    folder, kept = served
    (folder / "shop" / "1").rename(folder / "shop" / "7")
    with EmbeddedServer(folder, port=0) as server:
        (found,) = verify_server(f"localhost:{server.port}", str(kept)).differences
    assert (found.where, found.expected, found.found) == ("version", "1", "7")


def test_no_server_is_an_error_and_no_difference(served, capsys):
    assert main(["verify", "localhost:1", "--models", str(served[1]), "--deadline", "1"]) == 2
    assert "No server answers" in capsys.readouterr().err


def test_all_versions_are_checked_on_demand(models, certified):
    put_version(models, certified, 2)
    assert verify_place(str(models)).checked == ("ranking/2", "retrieval/2", "shop/2")
    assert len(verify_place(str(models), every=True, servables=("shop",)).checked) == 2
