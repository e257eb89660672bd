"""Rockchip boards over USB: rkdeveloptool (Debian has it), or the vendor's upgrade_tool."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from boards.errors import BoardsError
from boards.flash.readback import compare
from boards.flash.writer import Writer
from boards.tool import run_tool

LISTED = re.compile(
    r"Vid=0x([0-9a-fA-F]+),Pid=0x([0-9a-fA-F]+),LocationID=([0-9a-fA-F]+)\s+(?:Mode=)?(\w+)"
)
SIZES = {"Sectors": 512, "MB": 1 << 20}
CAPACITY = re.compile(r"Flash Size:\s*(\d+)\s*(Sectors|MB)")
# Both tools end with 0 after some failures, and say so in words.
FAILURE = re.compile(r"fail|quit,|not found|did not find|error", re.IGNORECASE)
SECTOR_BYTES = 512
READ_BYTES = 64 << 20
LOADER_SECONDS = 15.0  # a loader that was sent starts, and the board appears on USB anew
PACKED = (b"RKFW",)


class RockchipWriter(Writer):
    """Writes a raw image from sector 0, or lets upgrade_tool unpack the vendor's update.img.

    Raises
    ------
    BoardsError
        Not one board is connected, it is another board or at another place, or in Maskrom mode
        without a loader.
    """

    def __init__(
        self, image: Path, device: str, *, tool: str, usb: str, loader: Path | None
    ) -> None:
        self.image, self.tool, self.loader = image, tool, loader
        with open(image, "rb") as opened:
            self.packed = opened.read(4) in PACKED
        if self.packed and tool != "upgrade_tool":
            raise BoardsError(
                f"{image} is Rockchip's update.img; only --tool upgrade_tool takes it"
            )
        self.mode = find_board(tool, device=device, usb=usb)
        if self.mode == "Maskrom" and not self.packed:
            if loader is None or not loader.is_file():
                raise BoardsError(
                    "the board is in Maskrom mode, which needs the board maker's loader (often "
                    "MiniLoaderAll.bin or rk3576_spl_loader.bin): --loader FILE"
                )
        self.where = f"the board at USB location {device} ({usb}, {self.mode})"

    def commands(self) -> list[list[str]]:
        if self.packed:
            return [[self.tool, "uf", str(self.image)]]
        start = [[self.tool, "db", str(self.loader)]] if self.mode == "Maskrom" else []
        return [*start, [self.tool, "wl", "0", str(self.image)]]

    def write(self) -> None:
        *before, last = self.commands()
        for words in before:
            self._run(words)
        if not self.packed:
            self._check_capacity(patience=LOADER_SECONDS if before else 0)
        print(f"writing {self.image}: minutes", flush=True)
        self._run(last)

    def _run(self, words: list[str]) -> str:
        said = run_tool(words).stdout
        problem = next((line for line in said.splitlines() if FAILURE.search(line)), None)
        if problem:
            raise BoardsError(f"{' '.join(words)}: {problem.strip()}")
        return said

    def _check_capacity(self, *, patience: float) -> None:
        found = CAPACITY.search(self._flash_info(patience))
        size = int(found.group(1)) * SIZES[found.group(2)] if found else None
        if size is None or size < self.image.stat().st_size:
            raise BoardsError(
                f"the board's storage has {size if size is not None else 'unknown'} bytes, and "
                f"{self.image} {self.image.stat().st_size}; nothing was written"
            )

    def _flash_info(self, patience: float) -> str:
        end = time.monotonic() + patience
        while True:
            try:
                return self._run([self.tool, "rfi"])
            except BoardsError:
                if time.monotonic() >= end:
                    raise
            time.sleep(0.25)

    def verify(self) -> str:
        if self.packed:
            return "not read back here: what upgrade_tool unpacks it checks itself"
        with tempfile.TemporaryDirectory(prefix="edgeface-flash-") as folder:
            file = Path(folder) / "read"

            def read(start: int, length: int) -> bytes:
                sectors = -(-length // SECTOR_BYTES)
                self._run([self.tool, "rl", str(start // SECTOR_BYTES), str(sectors), str(file)])
                return file.read_bytes()[:length]

            compare(self.image, read, chunk=READ_BYTES, where=self.where)
        return f"all {self.image.stat().st_size} bytes read back from the board"

    def afterwards(self) -> list[list[str]]:
        return [] if self.packed else [[self.tool, "rd"]]


def find_board(tool: str, *, device: str, usb: str) -> str:
    """Mode of the one board that is connected: "Maskrom" or "Loader"; see `RockchipWriter`."""
    said = run_tool([tool, "ld"], ok=(0, 1)).stdout
    found = LISTED.findall(said)
    listed = [f"{int(v, 16):04x}:{int(p, 16):04x} at {place}" for v, p, place, _ in found]
    if len(found) != 1:
        raise BoardsError(
            f"{tool} ld finds {', '.join(listed) or 'no board'}; expected one. Hold the board's "
            "Maskrom or Recovery key while plugging it in; unplug others, the tool cannot choose"
        )
    vendor, product, place, mode = found[0]
    if f"{int(vendor, 16):04x}:{int(product, 16):04x}" != usb:
        raise BoardsError(f"the connected board is {listed[0]}; expected {usb}: another chip")
    if place != device:
        raise BoardsError(
            f"--device {device}: the board is at LocationID {place}; if it is the one you mean, "
            f"--device {place}"
        )
    return mode
