"""GPIO chips for tests: the kernel's side of tests/fakes/gpio.c, and the pins that a test holds.

A process that is started with `FakeGpio.environment` finds the chips in /dev, through the real
gpiod. Levels here are physical: 1 is high, whatever a request calls active.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.gpio_abi import ChipInfo, Event, LineInfo, LineRequest

SOURCE = Path(__file__).with_name("gpio.c")
_FLAGS = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-nonnull-compare")
_STATE_SIZE, _WRITE_ERROR = 4096, 2048  # as in gpio.c
_USED, _ACTIVE_LOW, _INPUT, _RISING, _FALLING = 1, 1 << 1, 1 << 2, 1 << 4, 1 << 5
_FLAGS_ATTRIBUTE, _DEBOUNCE_ATTRIBUTE = 1, 3


@functools.cache
def _built() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()  # kept, and emptied when Python ends
    library = Path(folder.name, "gpio.so")
    subprocess.run(["cc", *_FLAGS, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return folder


@dataclass(frozen=True)
class Change:
    """An output line's level from a moment on; -1 where its process released it.

    `seconds` is of the monotonic clock, `process` the one that drove it.
    """

    seconds: float
    line: int
    level: int
    process: int


class FakeGpio:
    """A folder of chips; `close` it.

    Parameters
    ----------
    folder
        An empty one; its path must be short, since sockets lie in it.
    chips
        Label → number of lines, in the order of their numbers in /dev.
    names
        Names of lines: (chip's label, offset) → name.
    """

    def __init__(
        self,
        folder: Path,
        chips: Mapping[str, int],
        names: Mapping[tuple[str, int], str] | None = None,
    ) -> None:
        (folder / "dev").mkdir()
        self._folder = folder
        names = names or {}
        self.chips = {
            label: FakeChip(
                folder,
                number,
                label,
                [names.get((label, offset), "") for offset in range(lines)],
            )
            for number, (label, lines) in enumerate(chips.items())
        }
        library = str(Path(_built().name, "gpio.so"))
        self.environment = {"LD_PRELOAD": library, "EDGEFACE_FAKE_GPIO": str(folder)}

    def close(self) -> None:
        """Take the chips out of /dev."""
        for chip in self.chips.values():
            chip.close()


class FakeChip:
    """One chip. Requests live as long as the process that made them."""

    def __init__(self, folder: Path, number: int, label: str, names: list[str]) -> None:
        self.path = f"/dev/gpiochip{number}"
        self._label, self._names = label, names
        self._log = folder / f"{number}.log"
        self._log.touch()
        state = folder / f"{number}.state"
        state.write_bytes(bytes(_STATE_SIZE))
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), _STATE_SIZE)
        self._wires = bytearray(len(names))  # what lies on the pins, before any debounce
        self._timers: dict[int, threading.Timer] = {}
        self._lock = threading.RLock()
        self._holders: dict[int, _Holder] = {}
        self._device = folder / "dev" / f"gpiochip{number}"
        self._device.touch()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.bind(str(folder / str(number)))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def level(self, line: int) -> int:
        """Return the line's level now."""
        return self._state[line]

    def changes(self, line: int) -> list[Change]:
        """Return what outputs did on a line since the beginning, releases as level -1."""
        found = []
        for text in self._log.read_text().splitlines():
            nanoseconds, offset, level, process = map(int, text.split())
            if offset == line:
                found.append(Change(nanoseconds / 1e9, offset, level, process))
        return found

    def drive(self, line: int, level: int) -> None:
        """Put a level on an input's wire."""
        with self._lock:
            self._wires[line] = level
            timer = self._timers.pop(line, None)
            if timer is not None:
                timer.cancel()
            holder = self._holders.get(line)
            period = holder.debounce_s(line) if holder else 0
            if period == 0:
                self._settle(line)
            else:
                timer = self._timers[line] = threading.Timer(period, self._settle, [line])
                timer.daemon = True
                timer.start()

    def _settle(self, line: int) -> None:
        with self._lock:
            level = self._wires[line]
            if self._state[line] != level:
                self._state[line] = level
                if line in self._holders:
                    self._holders[line].tell(line, level)

    def fail_writes(self, code: int) -> None:
        """Let setting a level fail with an errno from now on; 0: work again."""
        self._state[_WRITE_ERROR] = code

    def consumer(self, line: int) -> str | None:
        """Return who holds a line, or None."""
        with self._lock:
            holder = self._holders.get(line)
            return holder.request.consumer.decode() if holder else None

    def close(self) -> None:
        """Remove the device; processes that hold lines see it end."""
        self._device.unlink(missing_ok=True)
        self._server.close()
        with self._lock:
            for holder in set(self._holders.values()):
                holder.link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                link = self._server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=[link], daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link:
            while True:
                try:
                    question = link.recv(4096)
                except OSError:
                    question = b""
                if not question:
                    break
                link.send(self._answer(link, question))
            self._release(link)

    def _answer(self, link: socket.socket, question: bytes) -> bytes:
        op, content = int.from_bytes(question[:4], "little"), question[8:]
        if op == 0:
            number = self.path.rpartition("/")[2].encode()
            return bytes(4) + bytes(ChipInfo(number, self._label.encode(), len(self._names)))
        if op == 1:
            return self._info(int.from_bytes(content[:4], "little"))
        return self._take(link, LineRequest.from_buffer_copy(content)).to_bytes(4, "little")

    def _info(self, offset: int) -> bytes:
        if offset >= len(self._names):
            return errno.EINVAL.to_bytes(4, "little")
        holder = self._holders.get(offset)
        info = LineInfo(self._names[offset].encode(), b"", offset, 0, _INPUT)
        if holder is not None:
            info.consumer, info.flags = holder.request.consumer, holder.flags(offset) | _USED
        return bytes(4) + bytes(info)

    def _take(self, link: socket.socket, request: LineRequest) -> int:
        offsets = request.offsets[: request.num_lines]
        with self._lock:
            if any(offset >= len(self._names) for offset in offsets):
                return errno.EINVAL
            if any(offset in self._holders for offset in offsets):
                return errno.EBUSY
            holder = _Holder(link, request)
            self._holders.update(dict.fromkeys(offsets, holder))
        return 0

    def _release(self, link: socket.socket) -> None:
        with self._lock:
            held = [line for line, holder in self._holders.items() if holder.link is link]
            for line in held:
                if not self._holders.pop(line).flags(line) & _INPUT:
                    with self._log.open("a") as log:
                        log.write(f"{time.monotonic_ns()} {line} -1 {os.getpid()}\n")


class _Holder:
    """A granted request."""

    def __init__(self, link: socket.socket, request: LineRequest) -> None:
        self.link, self.request = link, request
        self._told = 0

    def flags(self, line: int) -> int:
        return self._attribute(line, _FLAGS_ATTRIBUTE, self.request.flags)

    def debounce_s(self, line: int) -> float:
        return (self._attribute(line, _DEBOUNCE_ATTRIBUTE, 0) & 0xFFFFFFFF) / 1e6

    def _attribute(self, line: int, kind: int, default: int) -> int:
        index = list(self.request.offsets[: self.request.num_lines]).index(line)
        for attribute in self.request.attrs[: self.request.num_attrs]:
            if attribute.id == kind and attribute.mask >> index & 1:
                return attribute.value
        return default

    def tell(self, line: int, level: int) -> None:
        flags = self.flags(line)
        rising = bool(level) != bool(flags & _ACTIVE_LOW)
        if not flags & (_RISING if rising else _FALLING):
            return
        self._told += 1
        event = Event(time.monotonic_ns(), 1 if rising else 2, line, self._told, self._told)
        self.link.send(bytes(event))
