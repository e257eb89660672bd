"""Start-up time and peak memory of ``edgeface verify``, and the time of ``import edgeface``.

Real processes on the photos that come with scikit-image and matplotlib; best of five.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

RUNS = 5
# In a process of its own: a child's peak memory begins with that of the process that started it.
FIND_PORTRAITS = """
import pathlib, matplotlib, skimage
print(pathlib.Path(skimage.__file__).parent / "data" / "astronaut.png")
print(pathlib.Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
"""


def portraits() -> list[str]:
    """Return the paths of the two portraits."""
    command = [sys.executable, "-c", FIND_PORTRAITS]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[
        :2
    ]


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
    commands = {
        "python (nothing)": ["-c", "pass"],
        "import edgeface": ["-c", "import edgeface"],
        "edgeface verify A B": ["-m", "edgeface", "verify", *portraits()],
    }
    for name, arguments in commands.items():
        seconds, peak = map(min, zip(*(measure(arguments) for _ in range(RUNS))))
        print(f"{name:22} {seconds:6.3f} s  peak {peak:6.1f} MiB")


if __name__ == "__main__":
    main()
