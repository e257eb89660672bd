"""SPI flash of Allwinner boards in FEL mode, by xfel. It reaches no eMMC or card: write cards."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from boards.errors import BoardsError
from boards.flash.readback import compare
from boards.flash.writer import Writer
from boards.tool import run_tool

FLASHES = ("spinor", "spinand")
CAPACITY = re.compile(r"with (\d+) bytes")
# xfel ends with 0 after most failures, and says so in words.
FAILURE = re.compile(r"can't|error|fail|warnn?ing|don't support|usage:", re.IGNORECASE)
READ_BYTES = 4 << 20


class XfelWriter(Writer):
    """Writes an image (a boot loader, as a rule) from byte 0 of SPI flash.

    Raises
    ------
    BoardsError
        The device is no kind of SPI flash, no board or another chip is connected, or it is full.
    """

    def __init__(self, image: Path, device: str, *, board: str) -> None:
        if device not in FLASHES:
            raise BoardsError(
                f"--device {device}: xfel writes {' or '.join(FLASHES)}; a card is written "
                "in this machine: --tool bmaptool --device /dev/sdX"
            )
        self.image, self.device = image, device
        chip = _ask(["xfel", "version"]).strip()
        if board.lower() not in chip.lower():
            raise BoardsError(f"the connected chip is {chip}; expected a {board}")
        found = CAPACITY.search(_ask(["xfel", device]))
        if not found or int(found.group(1)) < image.stat().st_size:
            size = found.group(1) if found else "unknown"
            raise BoardsError(
                f"{device} has {size} bytes, and {image} {image.stat().st_size}; a whole system "
                "goes onto a card: --tool bmaptool"
            )
        self.where = f"{device} of {chip.split()[0]} {board}"

    def commands(self) -> list[list[str]]:
        return [["xfel", self.device, "write", "0", str(self.image)]]

    def write(self) -> None:
        for words in self.commands():
            _ask(words)

    def verify(self) -> str:
        with tempfile.TemporaryDirectory(prefix="edgeface-flash-") as folder:
            file = Path(folder) / "read"

            def read(start: int, length: int) -> bytes:
                _ask(["xfel", self.device, "read", str(start), str(length), str(file)])
                return file.read_bytes()

            compare(self.image, read, chunk=READ_BYTES, where=self.where)
        return f"all {self.image.stat().st_size} bytes read back from {self.device}"


def _ask(words: list[str]) -> str:
    said = run_tool(words).stdout
    problem = next((line for line in said.splitlines() if FAILURE.search(line)), None)
    if problem:
        raise BoardsError(f"{' '.join(words)}: {problem.strip()}")
    return said
