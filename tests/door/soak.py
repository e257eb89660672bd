"""A whole door at full rate, for as long as asked: python -m tests.door.soak --minutes 60

`edgeface door` runs as it would on a board: an RTSP camera, an encrypted gallery, the log, a relay
(over the fake GPIO chip), a panel that speaks OSDP over a pty and a broker over TLS. Somebody
enrolled comes every few seconds. Printed: how long from the frame's capture until the relay moved,
the panel had the card and a subscriber had the event; and memory and files of the door's processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from edgeface.pipeline import Pipeline
from tests.door.broker import PASSWORD, USER, Broker, Listener
from tests.door.certificates import make_certificates
from tests.door.doorstep import NAME, make_doorstep, nobody, open_people, visit
from tests.door.panel import KEY, Panel, PtyChannel
from tests.door.rtsp import RtspServer
from tests.fakes.gpio_chip import FakeGpio
from tests.portraits import grace_hopper

CAMERA_FPS = 10
PIN = 3
OTHERS = 200
PERIOD_S = 8.0  # from one visit to the next
CLIP_S = 64  # longer than the feed's memory for loops
WARM_UP = 0.2  # share of the time after which memory must be flat
ACTUATORS = """
[[actuators]]
kind = "relay"
name = "strike"
chip = "/dev/gpiochip0"
line = {pin}
fail = "secure"

[[actuators]]
kind = "osdp"
name = "panel"
device = "{device}"
baud = 115200
key_file = "scbk"

[[actuators]]
kind = "mqtt"
name = "broker"
host = "localhost"
port = {port}
ca_file = "{authority}"
username = "{user}"
password_file = "password"
"""


@dataclass
class Site:
    """What stands around the door."""

    folder: Path
    gpio: FakeGpio
    line: PtyChannel
    broker: Broker
    heard: list[float] = field(default_factory=list)
    panel: Panel | None = None

    def latencies(self) -> dict[str, np.ndarray]:
        """Milliseconds from capture to each end, of the openings that each has."""
        captured = [entry["mono"] for entry in self._openings()]
        chip = next(iter(self.gpio.chips.values()))
        arrived = {
            "relay": [change.seconds for change in chip.changes(PIN) if change.level == 1],
            "OSDP": [at for at, event in self.panel.events if "data" in event],
            "MQTT": self.heard,
        }
        return {
            name: 1000 * (np.array(times[: len(captured)]) - np.array(captured[: len(times)]))
            for name, times in arrived.items()
        }

    def _openings(self) -> list[dict]:
        files = sorted((self.folder / "audit").glob("audit-*.jsonl"))
        entries = (json.loads(line) for file in files for line in file.read_text().splitlines())
        return [entry for entry in entries if entry.get("outcome") == "open"]


@contextmanager
def standing(folder: Path, *, clip_s: int = CLIP_S) -> Iterator[tuple[Site, Path]]:
    """Set everything up around a door; yield it with the door.toml.

    After `clip_s` the camera's pictures begin again.
    """
    with ExitStack() as stack:
        (folder / "gpio").mkdir()
        gpio = FakeGpio(folder / "gpio", {"soc": 32})
        stack.callback(gpio.close)
        broker = Broker(folder, make_certificates(folder))
        broker.start()
        stack.callback(broker.kill)
        site = Site(folder / "door", gpio, PtyChannel(), broker)
        listener = Listener(broker)
        stack.callback(listener.close)
        listener.client.on_message = lambda _c, _d, message: _hear(site, message)
        pictures = _write_pictures(folder / "pictures", clip_s)
        camera = stack.enter_context(RtspServer(fps=CAMERA_FPS, pictures=pictures))
        yield site, _write_door(site, camera.url())


def _hear(site: Site, message) -> None:
    if not message.topic.endswith("/event"):
        return
    if json.loads(message.payload).get("event_type") == "opened":
        site.heard.append(time.monotonic())


def _write_pictures(folder: Path, clip_s: int) -> str:
    folder.mkdir()
    each = round(PERIOD_S / 2 * CAMERA_FPS)
    turns = (
        chain(visit(grace_hopper(), frames=each, seed=i), nobody(frames=each, seed=1000 + i))
        for i in range(clip_s)
    )
    frames = islice(chain.from_iterable(turns), clip_s * CAMERA_FPS)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return str(folder / "%05d.jpg")


def _write_door(site: Site, url: str) -> Path:
    with Pipeline.open() as pipeline:
        changes = {"source": f'"{url}"', "pulse_s": "1"}
        file = make_doorstep(site.folder, pipeline, grace_hopper(), **changes)
        with open_people(site.folder, pipeline) as gallery:
            gallery.describe(NAME, card=(1, 4711))
            others = np.random.default_rng(0).standard_normal((OTHERS, 512), np.float32)
            for number, row in enumerate(others):
                gallery.enroll(f"person {number}", (row / np.linalg.norm(row))[None])
    for name, secret in (("scbk", KEY.hex().encode()), ("password", PASSWORD.encode())):
        (site.folder / name).write_bytes(secret)
        (site.folder / name).chmod(0o600)
    broker = site.broker
    text = file.read_text().replace("[decision]\n", "[decision]\ncool_down_s = 1\n", 1)
    file.write_text(
        text
        + ACTUATORS.format(
            pin=PIN,
            device=site.line.device,
            port=broker.port,
            authority=broker.certificates.authority,
            user=USER,
        )
    )
    return file


def processes(pid: int) -> list[int]:
    """Return a process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in processes(int(child)))]


def sample(pid: int) -> tuple[float, float, int, int]:
    """Return (time, MiB, open files, threads) of a process and its children."""
    memory = files = threads = 0
    for one in processes(pid):
        status = Path(f"/proc/{one}/status").read_text()
        memory += int(status.split("VmRSS:")[1].split()[0])
        threads += int(status.split("Threads:")[1].split()[0])
        files += len(list(Path(f"/proc/{one}/fd").iterdir()))
    return time.monotonic(), memory / 1024, files, threads


def watch(process: subprocess.Popen, *, minutes: float) -> np.ndarray:
    """Sample the door every two seconds, (N, 4); say every minute how it is."""
    samples, end = [], time.monotonic() + 60 * minutes
    while time.monotonic() < end and process.poll() is None:
        samples.append(sample(process.pid))
        if len(samples) % 30 == 1:
            _, memory, files, threads = samples[-1]
            left = (end - time.monotonic()) / 60
            print(
                f"{memory:.1f} MiB, {files} files, {threads} threads; {left:.0f} min left",
                file=sys.stderr,
            )
        time.sleep(2)
    return np.array(samples)


def report(site: Site, samples: np.ndarray) -> str:
    """Return what was measured, as Markdown."""
    hours = (samples[:, 0] - samples[0, 0]) / 3600
    warm = hours >= WARM_UP * hours[-1]
    slope = np.polyfit(hours[warm], samples[warm, 1], 1)[0]
    lines = [
        f"{60 * hours[-1]:.0f} min; memory {samples[warm, 1][0]:.1f} MiB, then "
        f"{samples[-1, 1]:.1f} MiB: {slope:+.2f} MiB an hour; open files "
        f"{samples[warm, 2].min():.0f} to {samples[warm, 2].max():.0f}, threads "
        f"{samples[warm, 3].min():.0f} to {samples[warm, 3].max():.0f}",
        "",
        "| from the frame's capture to | openings | p50, ms | p99, ms | most, ms |",
        "|---|---|---|---|---|",
    ]
    for name, found in site.latencies().items():
        p50, p99 = np.percentile(found, (50, 99)) if len(found) else (np.nan, np.nan)
        most = found.max(initial=0)
        lines.append(f"| {name} | {len(found)} | {p50:.1f} | {p99:.1f} | {most:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run it; 1 where the door ended by itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, standing(Path(name)) as (site, file):
        command = [sys.executable, "-m", "edgeface", "door", "--config", str(file)]
        process = subprocess.Popen(command, env={**os.environ, **site.gpio.environment})
        time.sleep(10)  # a panel that finds no reader pauses for five minutes
        site.panel = Panel(KEY, channel=site.line)
        samples = watch(process, minutes=args.minutes)
        ended = process.poll()
        site.panel.stop()
        process.terminate()
        process.wait()
        text = report(site, samples)
    print(text)
    if args.out:
        args.out.write_text(text)
    return int(ended is not None)


if __name__ == "__main__":
    sys.exit(main())
