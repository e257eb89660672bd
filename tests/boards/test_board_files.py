"""boards/: every board.toml follows the schema, agrees with the runtime, and names its own tree."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from boards.errors import BoardsError
from boards.facts import FOLDER, board_facts, board_file, board_names
from edgeface.board import Board
from edgeface.board_identity import BOARD_FILE, CPU_RUNTIMES, NPU_RUNTIMES, SOCS
from tests.board.trees import write_tree

SCHEMA = json.loads((FOLDER / "board.schema.json").read_text())
TREES = {
    "rk3576": "rk3576_vendor",
    "t527": "t527_vendor",
    "generic-arm64": "a527_vendor",
    "x86-64-host": "x86_server",
}


@pytest.mark.parametrize("name", board_names())
def test_board_file_follows_the_schema(name: str) -> None:
    facts = board_facts(name)
    jsonschema.validate(facts, SCHEMA)
    assert facts["name"] == name
    assert facts["flash"]["tool"] in facts["flash"]["tools"]
    assert (FOLDER / name / "README.md").is_file()


@pytest.mark.parametrize(
    "change",
    [{"name": "RK3576"}, {"runtimes": ["cuda"]}, {"pythons": ["3"]}, {"arch": "arm64"}, {"gpu": 1}],
)
def test_schema_refuses(change: dict) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**board_facts("rk3576"), **change}, SCHEMA)


@pytest.mark.parametrize("name", board_names())
def test_tree_detects_as_its_file_says(tmp_path: Path, name: str) -> None:
    root, facts = write_tree(tmp_path, TREES[name]), board_facts(name)
    found = Board.detect(root)
    assert found.name == name
    assert list(found.runtimes) == facts["runtimes"]
    assert (found.npu and found.npu.kind) == facts.get("npu", {}).get("kind")
    if facts["clusters"]:
        assert [(c.name, list(c.cpus)) for c in found.clusters] == [
            (c["name"], c["cpus"]) for c in facts["clusters"]
        ]


@pytest.mark.parametrize("name", board_names())
def test_file_deployed_to_the_board_changes_nothing(tmp_path: Path, name: str) -> None:
    root = write_tree(tmp_path, TREES[name])
    before = Board.detect(root)
    (root / BOARD_FILE).parent.mkdir(parents=True)
    shutil.copy(board_file(name), root / BOARD_FILE)
    assert Board.detect(root) == replace(before, runtimes=tuple(board_facts(name)["runtimes"]))


def test_runtime_knows_the_boards_without_their_files() -> None:
    """edgeface/board_identity.py has a copy for boards on which no file was deployed."""
    files = {name: board_facts(name) for name in board_names()}
    assert {n: tuple(f["compatible"]) for n, f in files.items() if f["compatible"]} == SOCS
    for facts in files.values():
        npu = [NPU_RUNTIMES[facts["npu"]["kind"]]] if "npu" in facts else []
        assert facts["runtimes"] == [*npu, *CPU_RUNTIMES]


def test_unknown_board_is_refused_with_those_there_are() -> None:
    with pytest.raises(BoardsError, match="no board 'rk3588': there are generic-arm64, rk3576"):
        board_facts("rk3588")


def test_udev_rules_give_npus_and_gpio_to_groups_and_nothing_to_all() -> None:
    lines = (FOLDER / "files" / "70-edgeface.rules").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert len(rules) == 3
    for rule, group in zip(rules, ("render", "render", "dialout")):
        parts = [re.fullmatch(r'([A-Z]+)(==|=)"([^"]+)"', part) for part in rule.split(", ")]
        assert all(parts), rule
        found = {part[1]: part[3] for part in parts}
        assert (found["GROUP"], found["MODE"]) == (group, "0660")
        given = [part[1] for part in parts if part[2] == "="]
        assert given == ["GROUP", "MODE"]
    assert 'DRIVERS=="RKNPU"' in rules[0] and 'KERNEL=="vipcore"' in rules[1]
    assert 'KERNEL=="gpiochip*"' in rules[2]
