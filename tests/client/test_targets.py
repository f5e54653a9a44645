import os
import socket
import subprocess
import sys
import threading

import pytest

from tfrec.client.targets import is_loopback


@pytest.mark.parametrize(
    "target",
    ["localhost:8500", "LOCALHOST", "127.0.0.1:8500", "127.8.8.8:1", "[::1]:8500", "::1", "dns:///localhost:8500",
     "dns://8.8.8.8/127.0.0.1:1", "ipv4:127.0.0.1:8500", "ipv6:[::1]:8500", "unix:/run/tfrec", "shop.localhost:8500"],
)  # fmt: skip
def test_this_machine_is_recognised(target):
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target", ["shop:8500", "10.0.0.1:8500", "dns:///shop.svc:8500", "[2001:db8::1]:8500", "localhost.org:1"]
)
def test_other_machines_are_recognised(target):
    assert not is_loopback(target)


def test_no_proxy_is_asked_for_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        reached = []
        proxy.settimeout(20)

        def accept():
            try:
                reached.append(proxy.accept())
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = {
            **os.environ,
            "http_proxy": address,
            "https_proxy": address,
            "grpc_proxy": address,
            "no_proxy": "",
        }
        run = [sys.executable, "-m", "tfrec", "ask", "localhost:1", "recommend", "--deadline", "1"]
        said = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
        assert said.returncode == 2
        assert "No server answers at localhost:1" in said.stderr
        assert not reached
