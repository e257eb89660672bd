"""The compiler's layer table: read to the last column, and no layer slips onto the CPU unseen."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from export.errors import ExportError
from export.rknn.layers import read_layers, refuse_cpu, render, summary, write_csv

STAMP = "D RKNN: [12:00:00.123] "
ROWS = [
    "0    InputOperator   INT8  CPU  \\                                (1,3,8,8)   0/0/0"
    "                     0     InputOperator:image",
    "1    ConvRelu        INT8  NPU  (1,3,8,8),(4,3,1,1),(4)          (1,4,8,8)   900/700/900"
    "        0%           12    Conv:/stem/Conv",
    "2    exGelu          FLOAT16  NPU  (1,4,8,8)                     (1,4,8,8)   0/0/0"
    "                     7     exGelu:/act/Mul with a space",
    "3    Conv            INT8  NPU  (1,4,8,8),(4,4,1,1),(4),...      (1,4,8,8)   100/300/300"
    "        12.5%        3     Conv:/out/Conv",
    "4    OutputOperator  INT8  CPU  (1,4,8,8)                        \\           0/0/0"
    "                     6     OutputOperator:feature",
]
RULE = STAMP + "-" * 60


def build_log(rows: list[str]) -> str:
    return "\n".join(
        [
            "I rknn building ...",
            RULE,
            STAMP + "          Network Layer Information Table      ",
            RULE,
            STAMP
            + "ID   OpType  DataType Target InputShape  OutputShape  Cycles(DDR/NPU/Total) ...",
            RULE,
            *(STAMP + row for row in rows),
            RULE,
            STAMP + "Total Internal Memory Size: 183.75KB",
            STAMP + "Total Weight Memory Size: 676.125KB",
            "I rknn building done.",
        ]
    )


def test_every_row_is_read() -> None:
    layers = read_layers(build_log(ROWS))
    assert [layer.op for layer in layers] == [row.split()[1] for row in ROWS]
    conv = layers[3]
    assert (conv.cycles_memory, conv.cycles_npu, conv.cycles) == (100, 300, 300)
    assert (conv.kilobytes, conv.target, conv.name) == (3, "NPU", "Conv:/out/Conv")
    assert layers[2].name == "exGelu:/act/Mul with a space"


def test_the_last_of_two_tables_counts() -> None:
    log = build_log(ROWS) + "\n" + build_log(ROWS[:2])
    assert len(read_layers(log)) == 2


def test_input_and_output_copies_may_be_the_cpus() -> None:
    refuse_cpu(read_layers(build_log(ROWS)))


def test_any_other_layer_on_the_cpu_is_refused_by_name() -> None:
    fallen = ROWS[2].replace("NPU", "CPU").replace("exGelu ", "Erf    ")
    with pytest.raises(ExportError, match=r"1 of 5 layers .*CPU.*Erf exGelu:/act/Mul"):
        refuse_cpu(read_layers(build_log([*ROWS[:2], fallen, *ROWS[3:]])))


def test_a_log_without_a_table_is_refused() -> None:
    with pytest.raises(ExportError, match="no 'Network Layer Information Table'"):
        read_layers("I rknn building ...\nI rknn building done.")


def test_a_row_of_an_unknown_form_is_refused_and_not_skipped() -> None:
    with pytest.raises(ExportError, match="version of rknn-toolkit2 is not known"):
        read_layers(build_log([*ROWS[:2], "2 Erf FLOAT16 CPU", *ROWS[3:]]))


def test_the_sums_say_what_they_leave_out() -> None:
    layers = read_layers(build_log(ROWS))
    sums = summary(layers, build_log(ROWS))
    assert sums["cycles"] == 1200
    assert sums["without_figure"] == {"exGelu": 1}
    assert sums["is_floor"]
    assert sums["dtypes"] == {"FLOAT16": 1, "INT8": 2}
    assert (sums["internal_memory_kb"], sums["weight_memory_kb"]) == (183.75, 676.125)
    assert "1 exGelu: the sum is a floor" in render(layers, sums)


def test_sums_without_silent_operators_are_no_floor() -> None:
    layers = read_layers(build_log([ROWS[0], ROWS[1], ROWS[4]]))
    assert not summary(layers)["is_floor"]
    assert "floor" not in render(layers, summary(layers))


def test_the_table_is_kept_as_csv(tmp_path: Path) -> None:
    write_csv(read_layers(build_log(ROWS)), tmp_path / "layers.csv")
    with (tmp_path / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cycles"] for row in rows] == ["0", "900", "0", "300", "0"]
