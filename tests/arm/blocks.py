"""Basic blocks that an emulated program ran: counted by QEMU, disassembled and costed by LLVM."""

from __future__ import annotations

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.arm import inorder
from tests.check_build import emulator, run

# An opcode's instructions in hexadecimal -> how often it ran between the marks.
Counts = Counter[str]

TARGET = ["-triple=aarch64-linux-gnu", "-mattr=+v8.2a,+dotprod,+lse"]
# Blocks that hold this share of all instructions are costed, and the rest like them.
COVERED = 0.999


def build_plugin(folder: Path) -> Path:
    """The QEMU plugin that counts, in ``folder``."""
    plugin = folder / "count_blocks.so"
    source = Path(__file__).with_name("count_blocks.c")
    result = run(["cc", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", source, "-o", plugin])
    assert result.returncode == 0, result.stdout
    return plugin


def count_blocks(plugin: Path, core: str, command: Sequence[object]) -> Counts:
    """How often each block of an ARM program ran in its region 1 on one of QEMU's cores."""
    output = plugin.with_suffix(".txt")
    result = run([*emulator(core), *counting(plugin, output), *command])
    assert result.returncode == 0, result.stdout
    return read_counts(output)[1]


def counting(plugin: Path, output: Path) -> list[str]:
    """QEMU's options that make it count into a file."""
    return ["-plugin", f"{plugin},out={output}"]


def read_counts(output: Path) -> dict[int, Counts]:
    """Region -> how often each block ran in it."""
    regions: dict[int, Counts] = defaultdict(Counter)
    for line in output.read_text().splitlines():
        region, executions, instructions = line.split(" ", 2)
        regions[int(region, 16)][instructions] += int(executions, 16)
    return regions


def instructions(counts: Counts) -> int:
    """All instructions that ran."""
    return sum(executions * size(block) for block, executions in counts.items())


def size(block: str) -> int:
    return len(block.split())


def cycles(counts: Counts, core: str) -> float:
    """Estimated cycles of ``core``: llvm-mca for the out-of-order A72, ``inorder`` for others."""
    hot = hottest(counts)
    listings = disassemble(hot)
    if core in inorder.CORES:
        each = [inorder.cycles(listing, core) for listing in listings]
    else:
        each = mca_cycles(listings, core)
    covered = sum(counts[block] * size(block) for block in hot) / instructions(counts)
    return sum(counts[block] * cost for block, cost in zip(hot, each)) / covered


def hottest(counts: Counts) -> list[str]:
    """The fewest blocks that hold COVERED of all instructions."""
    left = COVERED * instructions(counts)
    hot = []
    for block in sorted(counts, key=lambda block: -counts[block] * size(block)):
        if left <= 0:
            break
        hot.append(block)
        left -= counts[block] * size(block)
    return hot


def disassemble(blocks: Sequence[str]) -> list[list[str]]:
    """The instructions of each block, as llvm-mc prints them."""
    words = [word for block in blocks for word in block.split()]
    encoded = "\n".join(_bytes_of(word) for word in words)
    text = _llvm(["llvm-mc", "--disassemble", *TARGET], encoded)
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith(".")]
    lines = [line for line in lines if line]
    assert len(lines) == len(words), f"llvm-mc printed {len(lines)} lines for {len(words)} words"
    iterator = iter(lines)
    return [[next(iterator) for _ in range(size(block))] for block in blocks]


def mca_cycles(listings: Sequence[Sequence[str]], core: str) -> list[float]:
    """llvm-mca's cycles of each block when it runs over and over."""
    passes = 100
    regions = [
        f"# LLVM-MCA-BEGIN {i}\n" + "\n".join(listing) + f"\n# LLVM-MCA-END {i}\n"
        for i, listing in enumerate(listings)
    ]
    options = [f"-mcpu={core}", f"-iterations={passes}", "--json", *TARGET]
    options = [option.replace("-triple", "-mtriple") for option in options]
    report = json.loads(_llvm(["llvm-mca", *options], "".join(regions)))
    found = {r["Name"]: r["SummaryView"]["TotalCycles"] / passes for r in report["CodeRegions"]}
    return [found[str(i)] for i in range(len(listings))]


def _bytes_of(word: str) -> str:
    return " ".join(f"0x{word[i : i + 2]}" for i in (6, 4, 2, 0))  # little endian


def _llvm(command: Sequence[str], text: str) -> str:
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout
