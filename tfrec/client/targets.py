"""Recognises whether a gRPC target is this machine."""

import ipaddress
import re


def is_loopback(target: str) -> bool:
    """Returns whether a target (`localhost:8500`, `dns:///[::1]:8500`, `unix:/run/tfrec`) is this machine.

    No proxy leads there: `http_proxy` is meant for other machines, and gRPC would ask the proxy all the same.
    """
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    address = re.sub(r"^(dns|ipv4|ipv6):(//[^/]*/)?", "", target)
    host = re.sub(r":\d*$", "", address) if address.count(":") == 1 or address.startswith("[") else address
    host = host.strip("[]")
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
