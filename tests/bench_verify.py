"""Start-up time and peak memory of ``edgeface verify``, and the time of ``import edgeface``.

Real processes on the photos that come with scikit-image and matplotlib; best of five.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import skimage.data
from matplotlib import cbook

RUNS = 5


def photos(folder: Path) -> list[str]:
    """Write the two portraits as files and return their paths."""
    first = folder / "collins.png"
    cv2.imwrite(str(first), skimage.data.astronaut()[:, :, ::-1])
    return [str(first), str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))]


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run ``python ARGUMENTS`` and return (seconds, peak resident MiB)."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: verify says "different people"
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line per command."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python (nothing)": ["-c", "pass"],
            "import edgeface": ["-c", "import edgeface"],
            "edgeface verify A B": ["-m", "edgeface", "verify", *photos(Path(folder))],
        }
        for name, arguments in commands.items():
            seconds, peak = (
                min(values) for values in zip(*(measure(arguments) for _ in range(RUNS)))
            )
            print(f"{name:22} {seconds:6.3f} s  peak {peak:6.1f} MiB")


if __name__ == "__main__":
    main()
