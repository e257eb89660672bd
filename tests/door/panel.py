"""A control panel by libosdp on the other end of a real pty, on a line as bad as a test likes."""

from __future__ import annotations

import os
import random
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

import osdp
import osdp_sys

from edgeface.door.osdp import Osdp
from edgeface.door.osdp_panel import Bus

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
OTHER_KEY = bytes.fromhex("a0112233445566778899aabbccddeeff")
Noise = Callable[[bytes], bytes]


def clean(data: bytes) -> bytes:
    """No noise."""
    return data


class NoisyLine:
    """Drops, flips and adds bytes, each with a chance of so much."""

    def __init__(self, chance: float, *, seed: int) -> None:
        self._random, self._chance = random.Random(seed), chance

    def __call__(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            kind = self._random.random() / self._chance
            if kind < 1:
                continue
            if kind < 2:
                byte ^= 1 << self._random.randrange(8)
            if kind < 3:
                out += self._random.randbytes(self._random.randrange(1, 9))
            out.append(byte)
        return bytes(out)


class LossyLine:
    """Loses what is sent at once, with a chance of so much."""

    def __init__(self, chance: float, *, seed: int) -> None:
        self._random, self._chance = random.Random(seed), chance

    def __call__(self, data: bytes) -> bytes:
        return b"" if self._random.random() < self._chance else data


class PtyChannel(osdp.Channel):
    """The panel's end of a pty. The door opens `device`."""

    def __init__(self, *, piece: int = 4096) -> None:
        super().__init__()
        self._piece = piece  # bytes that the door gets at a time, a millisecond apart
        self.handle, door_end = os.openpty()
        self.device = Path(os.ttyname(door_end))
        # Kept open: with no other end at all, reads would fail until the door opens it.
        self._door_end = door_end
        tty.setraw(self.handle)
        tty.setraw(door_end)
        os.set_blocking(self.handle, False)
        self.noise: Noise = clean  # on the way to the door
        self.noise_back: Noise = clean

    def read(self, max_bytes: int) -> bytes:
        try:
            return self.noise_back(os.read(self.handle, max_bytes))[:max_bytes]
        except OSError:
            return b""

    def write(self, buf: bytes) -> int:
        try:
            noisy = self.noise(bytes(buf))
            for at in range(0, len(noisy), self._piece):
                os.write(self.handle, noisy[at : at + self._piece])
                time.sleep(0.001 if self._piece < len(noisy) else 0)
        except OSError:
            return 0
        return len(buf)

    def flush(self) -> None:
        """Nothing is held back."""

    def inject(self, data: bytes) -> None:
        """Bytes to the door from nowhere."""
        try:
            os.write(self.handle, data)
        except BlockingIOError:
            return

    def drain(self) -> None:
        """Forget what came and was not read."""
        try:
            os.read(self.handle, 65536)
        except BlockingIOError:
            return

    def unplug(self) -> None:
        """Close both ends."""
        os.close(self.handle)
        os.close(self._door_end)


class Panel:
    """The control panel, refreshed by a thread of its own."""

    def __init__(
        self,
        key: bytes | None,
        *,
        channel: PtyChannel | None = None,
        installs: bool = False,
    ) -> None:
        self.channel = channel or PtyChannel()
        self.events: list[tuple[float, dict]] = []
        osdp_sys.set_loglevel(osdp.LogLevel.Emergency)
        flags = [osdp.LibFlag.EnforceSecure] if key and not installs else []
        flags += [osdp.LibFlag.InstallMode] * installs  # tries the default key, then sets its own
        self._info = osdp.PDInfo(0, self.channel, scbk=key, name="panel", flags=flags)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self.restart()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def restart(self) -> None:
        """Begin anew, as after a power cut."""
        with self._lock:
            if hasattr(self, "_device"):
                time.sleep(0.1)  # answers to what the last one asked: they are not for this one
                self.channel.drain()
            self._device = osdp_sys.ControlPanel([self._info.get()])
            self._device.set_event_callback(self._note)

    @property
    def secure(self) -> bool:
        return bool(self._device.sc_status() & 1)

    @property
    def online(self) -> bool:
        return bool(self._device.status() & 1)

    def cards(self) -> list[str]:
        """Bits of the cards that were read."""
        kind = osdp.Event.CardRead
        found = [event for _, event in list(self.events) if event["event"] == kind]
        bits = [f"{int.from_bytes(e['data'], 'big'):0{8 * len(e['data'])}b}" for e in found]
        return [text[: event["length"]] for text, event in zip(bits, found)]

    def reports(self) -> list[bytes]:
        """Status reports that came."""
        kind = osdp.Event.Status
        return [event["report"] for _, event in list(self.events) if event["event"] == kind]

    def command(self, **command: object) -> bool:
        """Send a command."""
        with self._lock:
            return bool(self._device.submit_command(0, command))

    def stop(self) -> None:
        """Go silent."""
        self._stopped.set()
        self._thread.join()

    def _note(self, _device: int, event: dict) -> int:
        self.events.append((time.monotonic(), event))
        return 0

    def _run(self) -> None:
        self._stopped.wait(0.2)  # a door that is not there yet costs it a second
        while not self._stopped.is_set():
            with self._lock:
                self._device.refresh()
            time.sleep(0.002)


def lamp(colour: int) -> dict:
    """A command that sets the reader's lamp."""
    return {
        "command": osdp.Command.LED,
        "reader": 0,
        "led_number": 0,
        "temporary": False,
        "control_code": 1,
        "on_color": colour,
        "off_color": 0,
        "on_count": 1,
        "off_count": 0,
    }


def buzz(code: int) -> dict:
    """A command to the reader's buzzer."""
    return {
        "command": osdp.Command.Buzzer,
        "reader": 0,
        "control_code": code,
        "on_count": 1,
        "off_count": 1,
        "rep_count": 1,
    }


def to(panel: Panel, *, key: bytes | None = KEY, **more) -> Osdp:
    """A door on the other end of a panel's line."""
    return Osdp(Bus(panel.channel.device, baud=115200, **more), key=key)
