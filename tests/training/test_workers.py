"""Several workers train as one process with the same batches would, and go on after one of them was killed."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small import SMALL
from tfrec.errors import ConfigError
from tfrec.models import RetrievalConfig
from tfrec.pipelines.worker_rows import worker_rows
from tfrec.training import TrainingConfig
from tfrec.training.workers import ALONE, Workers, check_loss, read_tf_config

ROOT = Path(__file__).parents[2]
TWO = {"worker": ["a:1", "b:1"]}


def tf_config(cluster, kind, index):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "expected"),
    [
        (TWO, "worker", 1, (1, 2)),
        ({"chief": ["c:1"], **TWO}, "chief", 0, (0, 3)),
        ({"chief": ["c:1"], **TWO}, "worker", 0, (1, 3)),
        ({"worker": ["a:1"], "ps": []}, "worker", 0, (0, 1)),
    ],
)
def test_the_chief_is_the_first_worker(cluster, kind, index, expected):
    assert read_tf_config(tf_config(cluster, kind, index)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "worker 0",
        "[]",
        '{"cluster": {}}',
        tf_config(TWO, "worker", 2),
        tf_config(TWO, "evaluator", 0),
        tf_config({**TWO, "ps": ["p:1"]}, "worker", 0),
    ],
)
def test_a_wrong_tf_config_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"TF_CONFIG must .*host0:2222"):
        read_tf_config(text)


def test_a_loss_over_the_whole_catalogue_is_for_one_machine():
    full = TrainingConfig(retrieval=RetrievalConfig(loss="full_softmax"))
    check_loss(full, ALONE)
    check_loss(SMALL, Workers(0, 2))
    with pytest.raises(ConfigError, match="one machine"):
        check_loss(full, Workers(0, 2))


def test_workers_share_out_the_rows_of_a_batch_in_order():
    batch = {"item": np.arange(1, 6)[:, None], "is_real": np.ones(5, bool)}
    shares = [
        next(iter(worker_rows(tf.data.Dataset.from_tensors(batch), worker=worker, num_workers=3).as_numpy_iterator()))
        for worker in range(3)
    ]
    assert [share["item"].ravel().tolist() for share in shares] == [[1, 2], [3, 4], [5, 0]]
    assert [share["is_real"].tolist() for share in shares] == [[True, True], [True, True], [True, False]]


def start(work, out, cluster=None, index=0):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    environment["PYTHONPATH"] = str(ROOT)
    if cluster is not None:
        environment["TF_CONFIG"] = tf_config(cluster, "worker", index)
    script = Path(__file__).with_name("one_worker.py")
    with Path(f"{out}.log").open("w") as log:
        return subprocess.Popen([sys.executable, script, work, out], env=environment, stdout=log, stderr=log)


def two_addresses():
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return {"worker": found}


def until(condition, process, log, *, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.05)


@pytest.mark.slow  # five processes train
def test_two_workers_train_as_one_does_though_one_is_killed_on_the_way(tmp_path):
    alone = start(tmp_path / "alone", tmp_path / "alone.npz")
    cluster, work = two_addresses(), tmp_path / "shared"
    first, second = (start(work, tmp_path / f"killed_{index}.npz", cluster, index) for index in range(2))
    log = tmp_path / "killed_0.npz.log"
    until(lambda: any((work / "retrieval").glob("ckpt-*.index")), first, log)
    second.kill()
    assert first.wait(300) != 0
    assert "cannot reach the others any more" in log.read_text()
    assert alone.wait(300) == 0, (tmp_path / "alone.npz.log").read_text()[-3000:]

    cluster = two_addresses()
    again = [start(work, tmp_path / f"again_{index}.npz", cluster, index) for index in range(2)]
    for index, process in enumerate(again):
        assert process.wait(300) == 0, (tmp_path / f"again_{index}.npz.log").read_text()[-3000:]
    with np.load(tmp_path / "alone.npz") as one, np.load(tmp_path / "again_0.npz") as two:
        num_resumed = len(two["losses"])
        assert num_resumed < len(one["losses"])  # it went on
        np.testing.assert_allclose(two["losses"], one["losses"][-num_resumed:], rtol=1e-4)
        for name in set(one.files) - {"losses"}:
            np.testing.assert_allclose(two[name], one[name], atol=1e-4)
