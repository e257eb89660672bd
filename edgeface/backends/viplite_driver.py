"""VIPLite in this process: found, initialised while anyone uses it, and every status checked."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any

from edgeface.backends import viplite_abi as abi
from edgeface.backends.npu import board_root, find_vipcore
from edgeface.backends.vendor import load_library
from edgeface.errors import BackendUnavailableError, InferenceError

LIBRARIES = ("libVIPlite.so", "libNBGlinker.so")  # 1.13 and 2
COMPANIONS = {"libVIPlite.so": "libVIPuser.so", "libNBGlinker.so": "libVIPhal.so"}
VARIABLE = "EDGEFACE_VIPLITE"
INSTALL = (
    f"take it from your board's image or vendor (docs/npu.md says which), or set {VARIABLE} to its "
    "path"
)
NEWEST = 2  # major version whose interface this is
_ADVICE = {
    abi.TIMED_OUT: "is the NPU busy or stuck? EDGEFACE_NPU_TIMEOUT_MS allows more time",
    -6: "free memory: close other networks on the NPU",
    -7: "the file is damaged: pack the bundle again",
    -10: "export the file with the ACUITY version of this board's driver",
    -14: "the next run starts anew",
}
_LOCK = threading.Lock()


class Driver:
    """The library, and how many networks of this process are open on it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._users = 0
        self._process = 0
        self.version = abi.version_text(library.vip_get_version())

    def open(self) -> None:
        """Initialise VIPLite unless that is done; `close` undoes it.

        Raises
        ------
        BackendUnavailableError
            No driver in the kernel, no permission, or it does not start.
        """
        with _LOCK:
            if self._users == 0:
                _require_node()
                try:
                    self._process = os.getpid()
                    self.call("vip_init", name="VIPLite")
                except InferenceError as error:
                    raise BackendUnavailableError(
                        f"{error}: VIPLite {self.version} does not start; does the kernel's driver "
                        "belong to it? dmesg may say"
                    ) from error
            self._require_own_process("VIPLite")
            self._users += 1

    def close(self) -> None:
        """Give VIPLite back; the last user's call ends it."""
        with _LOCK:
            self._users -= 1
            if self._users == 0:
                self.call("vip_destroy", name="VIPLite")

    def owned(self) -> bool:
        """Whether this process opened it: what a fork inherits is not its to use or free."""
        return self._process == os.getpid()

    def chip(self, *, name: str) -> int:
        """Return the NPU's chip id, such as 0x10000016."""
        found = ctypes.c_uint32()
        size = ctypes.sizeof(found)
        self.call("vip_query_hardware", abi.HARDWARE_CHIP, size, ctypes.byref(found), name=name)
        return found.value

    def call(self, function: str, *arguments: Any, name: str) -> None:
        """Call a function that returns a status.

        Raises
        ------
        InferenceError
            The status is not 0, which `code` holds; or VIPLite belongs to another process.
        """
        self._require_own_process(name)
        status = getattr(self._library, function)(*arguments)
        if status:
            advice = _ADVICE.get(status)
            raise InferenceError(
                f"{name}: {function} failed: {abi.STATUS.get(status, 'unknown status')} ({status})"
                + (f"; {advice}" if advice else ""),
                step=f"{name} {function}",
                code=status,
            )

    def value(self, function: str, *arguments: Any) -> Any:
        """Call a function that returns what was asked for, and no status."""
        return getattr(self._library, function)(*arguments)

    def _require_own_process(self, name: str) -> None:
        if not self.owned():
            raise InferenceError(
                f"{name}: process {os.getpid()} has the NPU from {self._process} by a fork, and "
                "cannot use it: open the pipeline in the process that runs it",
                step=f"{name} fork",
            )


_DRIVERS: dict[str, Driver] = {}


def load_driver() -> Driver:
    """Return this process's VIPLite, loaded but not yet started.

    Raises
    ------
    BackendUnavailableError
        No such library, or a version that edgeface does not know.
    """
    library = load_library(LIBRARIES, variable=VARIABLE, install=INSTALL, companions=COMPANIONS)
    with _LOCK:
        if library._name not in _DRIVERS:
            _DRIVERS[library._name] = _known(library)
        return _DRIVERS[library._name]


def _known(library: ctypes.CDLL) -> Driver:
    try:
        abi.declare(library)
    except AttributeError as error:
        raise BackendUnavailableError(f"no VIPLite: {error}; {INSTALL}") from error
    driver = Driver(library)
    if int(driver.version.partition(".")[0]) > NEWEST:
        raise BackendUnavailableError(
            f"{library._name} is VIPLite {driver.version}, this edgeface knows those below "
            f"{NEWEST + 1}: upgrade edgeface"
        )
    return driver


def _require_node() -> None:
    node = find_vipcore()
    if node is None:
        raise BackendUnavailableError(
            "no /dev/vipcore: this chip has no such NPU (an A527 has none), or its driver is not "
            "loaded: modprobe vipcore, or sunxi_npu; mainline kernels do not have it"
        )
    if not os.access(board_root() / node.lstrip("/"), os.R_OK | os.W_OK):
        raise BackendUnavailableError(
            f"{node} may not be read and written by this user: install the udev rule of edgeface's "
            "kit (70-edgeface.rules), then: usermod --append --groups render USER"
        )
