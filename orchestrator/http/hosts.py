"""Names of hosts, as they stand in addresses and in the header Host."""

import ipaddress
import re
from functools import lru_cache

_NAME = re.compile(r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?$")
_HOST = re.compile(r"^(?:\[([0-9a-f:.]+)\]|([^\[\]:/@]+))(?::[0-9]*)?$")


def is_name(text: str) -> bool:
    """Whether a server can be known by it: a name or an address, with a port or without one."""
    return bool(_NAME.match(text))


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether a name or an address is this host's own."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@lru_cache(maxsize=256)
def without_port(host: str) -> str:
    """The name in a Host header, in lower case; empty when there is none."""
    found = _HOST.match(host)
    return (found[1] or found[2]).removesuffix(".") if found else ""
