"""The way between a door and its site, which can be cut: a network namespace, or a proxy."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from contextlib import ExitStack

from tests.door.proxy import Proxy


class Way(ABC):
    """A door's network. `before` starts a process in it; `site` is the site's address there."""

    before: tuple[str, ...] = ()
    site: str

    @abstractmethod
    def port(self, port: int) -> int:
        """The port there of a port of the site's machine."""

    @abstractmethod
    def cut(self) -> None:
        """Nothing passes any more, in no direction."""

    @abstractmethod
    def mend(self) -> None:
        """Undo `cut`."""

    @abstractmethod
    def close(self) -> None:
        """Take it away."""


class Namespace(Way):
    """A network namespace with one cable (veth) to the site's machine. Needs root."""

    def __init__(self, number: int) -> None:
        self._name = f"ef{os.getpid() % 100000}n{number}"
        self._cable, inner = f"{self._name}a", f"{self._name}b"
        self.site = address_of(number)
        self.before = ("ip", "netns", "exec", self._name)
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", inner)
        _ip("link", "set", inner, "netns", self._name)
        _ip("addr", "add", f"{self.site}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        theirs = ipaddress.ip_address(self.site) + 1
        _ip("-n", self._name, "addr", "add", f"{theirs}/30", "dev", inner)
        for device in ("lo", inner):
            _ip("-n", self._name, "link", "set", device, "up")

    def port(self, port: int) -> int:
        return port

    def cut(self) -> None:
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self._cable, "up")

    def close(self) -> None:
        _ip("link", "del", self._cable)  # a socket that dies slowly would keep it and the namespace
        _ip("netns", "del", self._name)


class Proxied(Way):
    """A proxy for each port, where namespaces cannot be made."""

    site = "127.0.0.1"

    def __init__(self) -> None:
        self._opened, self._proxies = ExitStack(), {}

    def port(self, port: int) -> int:
        if port not in self._proxies:
            self._proxies[port] = self._opened.enter_context(Proxy(port))
        return self._proxies[port].port

    def cut(self) -> None:
        for proxy in self._proxies.values():
            proxy.cut()

    def mend(self) -> None:
        for proxy in self._proxies.values():
            proxy.mend()

    def close(self) -> None:
        self._opened.close()


def address_of(number: int) -> str:
    """The site's address for a door's namespace: another run on this machine has others."""
    network = (3 * os.getpid() + number) % (1 << 14)
    return str(ipaddress.ip_address("10.213.0.1") + 4 * network)


def namespaces_work() -> bool:
    """Whether this machine lets us make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"ef{os.getpid() % 100000}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode != 0:
        return False
    tried = subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=False)
    _ip("netns", "del", name)
    return tried.returncode == 0


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
