"""Sends random and malformed requests to an embedded server in a process of its own, and counts what breaks.

`python -m tests.benchmarks.fuzz --requests 100000 [--seconds S] [--models DIR] [--seed N]`; without DIR it exports the
tiny shop of the strategies' tests first, with all its signatures. All signatures of all servables are asked, by gRPC
and REST.
Broken is: a process that ended, an error that the server did not foresee, a call that its deadline did not end, an
answer with an item twice, health or the answer to a known request that changed, and memory that is more than 5 % larger
in the last third of the time than in the second: large requests come at random, so medians are compared. `--only N`
sends request N of the seed alone.
"""

import argparse
import collections
import contextlib
import dataclasses
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from tests.benchmarks.malformed_requests import Http, RequestMaker, Rpc
from tests.benchmarks.results import Cost, add_save, save_results
from tfrec.schema import wire
from tfrec.serving.saved_model import signatures_of

MOST_GROWTH = 0.05
_THREADS = 4
_DEADLINE = 20.0
_GRACE = 10.0  # seconds after its deadline at which a call counts as hanging
_SECONDS_APART = 0.5  # of two looks at the memory
_FORESEEN = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"),
    "OUT_OF_RANGE",  # TensorFlow's, of its own signature `__saved_model_init_op`
}
_PREDICT = f"/{wire.PREDICTION_SERVICE}/Predict"


@dataclasses.dataclass(frozen=True)
class Served:
    """A server in a process of its own.

    Attributes:
        process: it.
        port: of gRPC.
        rest_port: of REST.
        log: what it wrote to standard error.
    """

    process: subprocess.Popen[str]
    port: int
    rest_port: int
    log: Path

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass
class Found:
    """What requests found.

    Attributes:
        num_requests: how many were sent.
        seconds: how long that took.
        codes: outcome → number, such as `gRPC OK` or `REST 400`.
        broken: what is broken, each with the number of its request; 20 at most.
        num_broken: how many.
        memory: resident bytes of the server: medians of the second and of the last third of the time. In the first all
            graphs and buffers come to be.
    """

    num_requests: int = 0
    seconds: float = 0.0
    codes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    broken: list[str] = dataclasses.field(default_factory=list)
    num_broken: int = 0
    memory: tuple[int, int] = (0, 0)

    @property
    def growth(self) -> float:
        """Share by which the memory has grown; 0 where the server ended."""
        return self.memory[1] / self.memory[0] - 1 if self.memory[0] else 0.0

    def add_broken(self, what: str) -> None:
        """Notes what is broken."""
        self.num_broken += 1
        if len(self.broken) < 20:
            self.broken.append(what)


@contextlib.contextmanager
def served(models: Path, folder: Path) -> Iterator[Served]:
    """Serves `models` in a process of its own, whose log is put into `folder`, for a block."""
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fuzz", "--serve", str(models)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"The server did not start:\n{log.read_text()}"
        yield Served(process, **json.loads(line), log=log)
    finally:
        process.stdin.close()  # which ends it
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve_until_closed(models: Path) -> None:
    """Serves `models`, prints the ports as JSON, and stops when standard input ends."""
    from tfrec.serving.heaps import share_heaps
    from tfrec.serving.server import EmbeddedServer

    share_heaps()  # as `tfrec serve` does
    with EmbeddedServer(models, port=0, rest_port=0, receive_seconds=2.0) as server:
        print(json.dumps({"port": server.port, "rest_port": server.rest_port}), flush=True)
        sys.stdin.read()


def send_random(
    server: Served, *, num_requests: int, seed: int = 0, only: int | None = None, seconds: float = float("inf")
) -> Found:
    """Sends random requests from several threads, and returns what they found.

    Args:
        server: is asked.
        num_requests: how many.
        seed: decides the requests.
        only: number of the one request that is sent; None = all.
        seconds: time after which no more are sent.
    """
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        signatures, item_ids = _known(channel)
        maker, found, lock = RequestMaker(signatures, item_ids, seed=seed), Found(), threading.Lock()
        before = _known_answers(channel, signatures)
        numbers = iter([only] if only is not None else range(num_requests))
        start = time.monotonic()
        memory, is_over = [server.memory], threading.Event()

        def watch() -> None:
            while not is_over.wait(_SECONDS_APART) and server.process.poll() is None:
                memory.append(server.memory)

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=_DEADLINE + _GRACE)
            while True:
                with lock:
                    number = next(numbers, None) if time.monotonic() - start < seconds else None
                    if number is None or server.process.poll() is not None:
                        return
                request = maker.make(number, deadline=_DEADLINE)
                begun = time.monotonic()
                if isinstance(request, Rpc):
                    code, complaint = _call(channel, request)
                else:
                    code, complaint = _fetch(connection, request)
                took = time.monotonic() - begun
                if took > (request.deadline if isinstance(request, Rpc) else _DEADLINE) + _GRACE:
                    complaint = complaint or f"took {took:.1f} s"
                with lock:
                    found.num_requests += 1
                    found.codes[code] += 1
                    if complaint:
                        found.add_broken(f"request {number} of seed {seed}: {code}: {complaint}")

        watcher = threading.Thread(target=watch)
        threads = [threading.Thread(target=ask) for _ in range(_THREADS)]
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        is_over.set()
        watcher.join()
        found.seconds = time.monotonic() - start
        if server.process.poll() is not None:
            found.add_broken(
                f"the server ended with status {server.process.returncode}: {server.log.read_text()[-500:]}"
            )
            return found
        third = -(-len(memory) // 3)
        second, last = memory[-2 * third : -third] or memory, memory[-third:]
        found.memory = (int(np.median(second)), int(np.median(last)))
        if _known_answers(channel, signatures) != before:
            found.add_broken("a known request is answered otherwise than before")
        if "Traceback" in (text := server.log.read_text()):
            found.add_broken(f"the server's log has a stack trace: {text[text.index('Traceback') :][:1500]}")
        return found


def _known(channel: grpc.Channel) -> tuple[dict[str, Any], list[bytes]]:
    """Returns servable → signatures of all that are served, and items that they offer."""
    found, item_ids = {}, []
    for name in ("shop", "retrieval", "ranking", "fallback", "plain", "m"):
        request = wire.GetModelMetadataRequest(model_spec={"name": name}, metadata_field=["signature_def"])
        try:
            content = channel.unary_unary(f"/{wire.PREDICTION_SERVICE}/GetModelMetadata")(request.SerializeToString())
        except grpc.RpcError:
            continue
        metadata = wire.GetModelMetadataResponse.FromString(content).metadata["signature_def"].value
        found[name] = signatures_of(wire.SignatureDefMap.FromString(metadata))
    for name, request in _known_requests(found):
        response = wire.PredictResponse.FromString(channel.unary_unary(_PREDICT)(request))
        if name == "shop" and "item_ids" in response.outputs:
            item_ids += [item for item in response.outputs["item_ids"].string_val if item]
    return found, list(dict.fromkeys(item_ids))


def _known_requests(signatures: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yields servable and request of every signature whose inputs all have defaults, at a fixed moment."""
    fixed = {"k": np.array([30], np.int32), "at_minute": np.array([28_000_000], np.int32)}
    for name, of_servable in signatures.items():
        for signature in of_servable.values():
            if signature.outputs and signature.inputs and set(signature.inputs) <= set(signature.defaults):
                inputs = {
                    alias: wire.to_tensor_proto(value) for alias, value in fixed.items() if alias in signature.inputs
                }
                spec = wire.ModelSpec(name=name, signature_name=signature.name)
                yield name, wire.PredictRequest(model_spec=spec, inputs=inputs).SerializeToString()


def _known_answers(channel: grpc.Channel, signatures: dict[str, Any]) -> list[list[bytes]]:
    """Returns the items that each signature offers to a guest, and health."""
    answers = []
    for _, request in _known_requests(signatures):
        response = wire.PredictResponse.FromString(channel.unary_unary(_PREDICT)(request, timeout=60))
        answers.append(list(response.outputs["item_ids"].string_val) if "item_ids" in response.outputs else [])
    answers.append([channel.unary_unary(f"/{wire.HEALTH_SERVICE}/Check")(b"", timeout=60)])
    return answers


def _call(channel: grpc.Channel, request: Rpc) -> tuple[str, str]:
    """Returns the outcome of a call, and what is wrong with it; "" = nothing."""
    try:
        content = channel.unary_unary(request.method)(request.content, timeout=request.deadline)
    except grpc.RpcError as error:
        name, details = error.code().name, error.details() or ""
        is_foreseen = name in _FORESEEN or (name == "DEADLINE_EXCEEDED" and request.deadline < _DEADLINE)
        # A message that is none is INTERNAL without a text, as gRPC's own code has it.
        is_foreseen |= name == "INTERNAL" and not details
        return f"gRPC {name}", "" if is_foreseen else details[:300] or "no details"
    return "gRPC OK", _repeated(request.content, content) if request.method == _PREDICT else ""


def _repeated(content: bytes, answer: bytes) -> str:
    """Returns what is wrong with a slate: an item twice in a row, but for lines of a cart as sent; "" = nothing."""
    request, response = wire.PredictRequest.FromString(content), wire.PredictResponse.FromString(answer)
    if request.model_spec.signature_name == "arrange_cart":
        return ""
    if "item_ids" not in response.outputs or response.model_spec.name not in ("shop", "retrieval", "fallback"):
        return ""
    for row in wire.to_ndarray(response.outputs["item_ids"]).tolist():
        items = [item for item in row if item]
        if len(set(items)) < len(items):
            return f"{request.model_spec.signature_name} offers an item twice: {items[:30]}"
    return ""


def _fetch(connection: http.client.HTTPConnection, request: Http) -> tuple[str, str]:
    """Returns the status of a request, and what is wrong with the answer; "" = nothing."""
    for is_last in (False, True):
        try:
            connection.request(request.verb, request.path, request.body)
            response = connection.getresponse()
            content = response.read()
            break
        except TimeoutError:
            connection.close()
            return "REST no answer", "no answer in time"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if is_last:  # the first may have met a connection that the server had just closed, idle for too long
                return "REST no answer", f"{type(error).__name__}: {error}"
    is_foreseen = response.status < 500 or response.status in (501, 503)
    return f"REST {response.status}", "" if is_foreseen else content[:300].decode("utf-8", "replace")


def export_tiny_shop(folder: Path) -> None:
    """Exports the tiny shop of the strategies' tests, whose models are not trained: all three servables."""
    from tests.strategy.served_shop import build_served_shop
    from tfrec.training.export import export_servables

    export_servables(build_served_shop().served, folder, about={})


def main() -> None:
    """Sends, prints what was found, and exits with 1 where anything is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time after which no more are sent")
    parser.add_argument("--models", type=Path, help="folder of servables (default: a tiny shop, exported first)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="N", help="number of the one request that is sent")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    add_save(parser)
    options = parser.parse_args()
    if options.serve is not None:
        serve_until_closed(options.serve)
        return
    with tempfile.TemporaryDirectory() as made:
        models = options.models or Path(made) / "models"
        if options.models is None:
            export_tiny_shop(models)
        with served(models, Path(made)) as server:
            found = send_random(
                server,
                num_requests=options.requests,
                seed=options.seed,
                only=options.only,
                seconds=options.seconds,
            )
    for code, count in sorted(found.codes.items()):
        print(f"{code:<28} {count:>10,}")
    print(f"{found.num_requests:,} requests in {found.seconds:,.0f} s; {found.num_broken:,} broke something")
    for line in found.broken:
        print(f"  {line}")
    grown = f"{found.memory[0] / 2**20:,.0f} → {found.memory[1] / 2**20:,.0f} MiB, {100 * found.growth:+.1f} %"
    print(f"memory of the server in the second and in the last third of the time: {grown}")
    if options.save:
        share = (
            sum(count for code, count in found.codes.items() if code in ("gRPC OK", "REST 200")) / found.num_requests
        )
        figure = (
            f"{found.num_requests:,} requests, {100 * share:.0f} % answered, the others refused; "
            f"{found.num_broken} broke something"
        )
        costs = [
            Cost("random and malformed requests to `tfrec serve`, all signatures, gRPC and REST", figure),
            Cost("memory of that server in the second and in the last third of the time", grown),
        ]
        save_results("fuzz", f"make bench-fuzz ARGS='--requests {options.requests}'", costs=costs)
    sys.exit(bool(found.num_broken) or found.growth > MOST_GROWTH)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
