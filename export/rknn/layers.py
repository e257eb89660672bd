"""The compiler's "Network Layer Information Table": which layer runs where, and at what cost.

The build prints it when verbose. It is the only figure of cost without a board: within about 15 %
of published times for networks of plain convolutions at 1 GHz. Operators that it counts as 0
cycles (attention, normalisation, GELU, layout changes) make the sum a floor.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from export.errors import ExportError

TITLE = "Network Layer Information Table"
PREFIX = re.compile(r"^D RKNN: \[[\d:.]+\] ?")
ROW = re.compile(
    r"(?P<id>\d+)\s+(?P<op>\S+)\s+(?P<dtype>\S+)\s+(?P<target>CPU|NPU|GPU|\S+)\s+"
    r"(?P<inputs>\S+)\s+(?P<output>\S+)\s+(?P<ddr>\d+)/(?P<npu>\d+)/(?P<total>\d+)\s+"
    r"(?:[\d.]+%\s+)?(?P<kilobytes>[\d.]+)\s+(?P<name>.+?)\s*$"
)
MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB")
ENDS = ("InputOperator", "OutputOperator")  # copies in and out, which are the CPU's work
CLOCK_HZ = 1e9  # the NPU's highest operating point


@dataclass(frozen=True)
class Layer:
    """One row: ``cycles`` is the larger of memory's and arithmetic's, 0 where it does not say."""

    id: int
    op: str
    dtype: str
    target: str
    inputs: str
    output: str
    cycles_memory: int
    cycles_npu: int
    cycles: int
    kilobytes: float
    name: str


def read_layers(log: str) -> list[Layer]:
    """Return the rows of the last table in a build log.

    Raises
    ------
    ExportError
        There is no table, or a row that is not of the known form.
    """
    lines = log.splitlines()
    titles = [number for number, line in enumerate(lines) if TITLE in line]
    if not titles:
        raise ExportError(
            f"the build log has no {TITLE!r}: which layers land on the CPU cannot be told, so this "
            "file is not used; is it a log of rknn-toolkit2 2.5 with verbose=True?"
        )
    rows = []
    for line in lines[titles[-1] + 1 :]:
        text = PREFIX.sub("", line).strip()
        if text.startswith(("-", "ID ")):
            if rows and text.startswith("-"):
                break
            continue
        rows.append(_layer(text))
    return rows


def _layer(text: str) -> Layer:
    row = ROW.match(text)
    if row is None:
        raise ExportError(
            f"layer table: row {text[:120]!r}, expected ID, OpType, DataType, Target, shapes, "
            "cycles DDR/NPU/Total, RW(KB) and name: this version of rknn-toolkit2 is not known"
        )
    return Layer(
        id=int(row["id"]),
        op=row["op"],
        dtype=row["dtype"],
        target=row["target"],
        inputs=row["inputs"],
        output=row["output"],
        cycles_memory=int(row["ddr"]),
        cycles_npu=int(row["npu"]),
        cycles=int(row["total"]),
        kilobytes=float(row["kilobytes"]),
        name=row["name"],
    )


def refuse_cpu(layers: Sequence[Layer]) -> None:
    """Raise ExportError when any layer but the input's and output's copies runs on the CPU."""
    fallen = [layer for layer in layers if layer.target == "CPU" and layer.op not in ENDS]
    if fallen:
        named = ", ".join(f"{layer.op} {layer.name}" for layer in fallen[:8])
        raise ExportError(
            f"{len(fallen)} of {len(layers)} layers would run on the board's CPU, expected none: "
            f"{named}; keep their operators whole (no quantisers inside GELU or "
            "LayerNormalization), or replace them"
        )


def summary(layers: Sequence[Layer], log: str = "") -> dict:
    """Return the sums as plain JSON; memory in KiB where the log says."""
    inside = [layer for layer in layers if layer.op not in ENDS]
    silent = Counter(layer.op for layer in inside if layer.cycles == 0)
    total = sum(layer.cycles for layer in inside)
    return {
        "layers": len(inside),
        "cycles": total,
        "milliseconds_at_1_ghz": round(1e3 * total / CLOCK_HZ, 3),
        "without_figure": dict(sorted(silent.items())),
        "is_floor": bool(silent),
        "moved_kb": sum(layer.kilobytes for layer in inside),
        "dtypes": dict(sorted(Counter(layer.dtype for layer in inside).items())),
        **{f"{kind.lower()}_memory_kb": float(size) for kind, size in MEMORY.findall(log)},
    }


def write_csv(layers: Sequence[Layer], path: Path) -> None:
    """Write the table, one line a layer."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(layers[0])))
        writer.writeheader()
        writer.writerows(asdict(layer) for layer in layers)


def render(layers: Sequence[Layer], sums: dict) -> str:
    """Return the table for people, with its sums and what they leave out."""
    lines = [f"{'layer':>5}  {'operator':<16}{'dtype':<9}{'target':<8}{'cycles':>8}{'KB':>7}  name"]
    lines += [
        f"{layer.id:>5}  {layer.op:<16}{layer.dtype:<9}{layer.target:<8}{layer.cycles or '-':>8}"
        f"{layer.kilobytes:>7.0f}  {layer.name.partition(':')[2]}"
        for layer in layers
    ]
    lines.append(
        f"{sums['layers']} layers, {sums['cycles']} cycles, {sums['moved_kb']:.0f} KB moved: "
        f"{sums['milliseconds_at_1_ghz']:.2f} ms at 1 GHz"
    )
    if sums["is_floor"]:
        silent = ", ".join(f"{count} {op}" for op, count in sums["without_figure"].items())
        lines.append(f"the compiler gives no cycles for {silent}: the sum is a floor")
    return "\n".join(lines)
