"""`tfrec history` fills a store, and `tfrec ask --history` sends its events."""

import shutil

import pytest

from tfrec.cli import main
from tfrec.client.history import RedisHistoryStore
from tfrec.serving.server import EmbeddedServer


@pytest.fixture(scope="module")
def target(tiny_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_models / "shop", folder / "shop")
    with EmbeddedServer(folder, port=0) as running:
        yield f"127.0.0.1:{running.port}"


def test_a_prepared_shop_is_filled_in_and_asked_with(target, tiny_prepared, redis_server, capsys):
    assert main(["history", str(tiny_prepared), "--to", redis_server, "--most", "7"]) == 0
    users, events = (int(word.replace(",", "")) for word in capsys.readouterr().out.split() if word[0].isdigit())
    assert users > 100 and users < events <= 7 * users
    store = RedisHistoryStore(redis_server)
    assert len(store.read(["C00016"])[0].events) == 7
    store.close()
    assert main(["ask", target, "recommend", "--user", "C00016", "--history", redis_server]) == 0
    assert "did not answer" not in capsys.readouterr().err


def test_a_store_that_is_not_there_costs_no_answer(target, capsys):
    assert main(["ask", target, "recommend", "--user", "C00016", "--history", "redis://127.0.0.1:1/0"]) == 0
    printed = capsys.readouterr()
    assert "The history store did not answer" in printed.err
    assert "item_0" in printed.out
