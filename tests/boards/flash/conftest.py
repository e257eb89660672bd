"""Vendors' USB tools as small programs on PATH: they keep a log, and storage in a file.

They speak as the real ones do (`rkdeveloptool` of Debian 12, xfel 1.2.1), and can be told to fail.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest

ROCKCHIP = """\
def listed():
    mode = "Mode=" + plan["mode"] if name == "upgrade_tool" else plan["mode"]
    for n in range(plan["boards"]):
        usb = plan["usb"].split(":")
        print(f"DevNo={n+1}\\tVid=0x{usb[0]},Pid=0x{usb[1]},LocationID={301+n}\\t{mode}")
    if not plan["boards"]:
        print("not found any devices!"); sys.exit(1)
word = words[0]
if word == "ld":
    listed()
elif word == "db":
    assert open(words[1], "rb").read() == b"loader"
    plan["started"] = True; keep()
    print("Downloading bootloader succeeded.")
elif plan["mode"] == "Maskrom" and not plan["started"]:
    print("The device does not support this operation!"); sys.exit(1)
elif word == "rfi" and plan["absent"]:
    plan["absent"] -= 1; keep()
    print("Did not find any rockusb device, please plug device in!"); sys.exit(1)
elif word == "rfi":
    print(f"Flash Info:\\n\\tManufacturer: SAMSUNG\\n\\tFlash Size: {plan['megabytes']} MB")
elif word == "wl":
    if plan["fails"] == "wl":
        print("Write LBA failed!"); sys.exit(plan["code"])
    data = open(words[2], "rb").read()
    put(int(words[1]) * 512, data)
    print("Write LBA from file (100%)")
elif word == "rl":
    start, count = int(words[1]) * 512, int(words[2]) * 512
    open(words[3], "wb").write(get(start, count))
    print("Read LBA to file (100%)")
elif word == "uf":
    put(0, open(words[1], "rb").read())
    print("Upgrade firmware ok.")
elif word == "rd":
    print("Reset Device OK.")
else:
    sys.exit(2)
"""
XFEL = """\
if words == ["version"]:
    print(f"AWUSBFEX soc=0x00189000({plan['chip']}) 0x00000001 ver=0x0001 0x44 0x08")
elif words[1:] == []:
    print(f"Found {words[0]} flash 'W25Q128' with {plan['megabytes'] << 20} bytes"
          if plan["boards"] else "Can't detect any flash")
elif words[1] == "write":
    if plan["fails"] == "write":
        print("Can't write spi nor flash")
    else:
        put(int(words[2]), open(words[3], "rb").read())
elif words[1] == "read":
    open(words[4], "wb").write(get(int(words[2]), int(words[3])))
"""
HEAD = """\
#!{python}
import json, sys
from pathlib import Path
folder, name, words = Path({folder!r}), Path(sys.argv[0]).name, sys.argv[1:]
plan = json.loads((folder / "plan.json").read_text())
def keep():
    (folder / "plan.json").write_text(json.dumps(plan))
def put(start, data):
    with open(folder / "storage", "r+b") as file:
        file.seek(start); file.write(data)
        if plan["fails"] == "bit":
            file.seek(start + 1000); file.write(b"!")
def get(start, count):
    with open(folder / "storage", "rb") as file:
        file.seek(start)
        return file.read(count)
with open(folder / "log", "a") as log:
    log.write(json.dumps([name, *words]) + "\\n")
"""


class Bench:
    """The programs' folder: what a board is to be, what was asked of it, what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: dict[str, object] = {
            **{"mode": "Maskrom", "boards": 1, "usb": "2207:350e", "megabytes": 4},
            **{"fails": "", "code": 1, "started": False, "absent": 0, "chip": "A523/A527/T527"},
        }
        self.loader = folder / "loader.bin"
        self.loader.write_bytes(b"loader")
        self.set()
        for name, code in (
            *(("rkdeveloptool", ROCKCHIP), ("upgrade_tool", ROCKCHIP)),
            ("xfel", XFEL),
        ):
            program = folder / name
            program.write_text(HEAD.format(python=sys.executable, folder=str(folder)) + code)
            program.chmod(0o755)

    def set(self, **plan: object) -> None:
        self.plan.update(plan)
        (self.folder / "plan.json").write_text(json.dumps(self.plan))
        with open(self.folder / "storage", "wb") as storage:
            storage.write(b"\xff" * (4 << 20))

    def asked(self) -> list[list[str]]:
        """Every command line so far, with the file that a reading goes to left out."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [
            [word for word in json.loads(line) if "/edgeface-flash-" not in word] for line in lines
        ]

    def held(self, size: int) -> bytes:
        return (self.folder / "storage").read_bytes()[:size]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    folder = tmp_path / "bench"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Bench(folder)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """2.5 MiB and 100 bytes that do not repeat: no whole number of sectors or megabytes."""
    file = tmp_path / "image.img"
    file.write_bytes(random.Random(5).randbytes((5 << 19) + 100))
    return file
