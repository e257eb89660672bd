"""An image has room for an update, as edgeface-slot on the board will reckon it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from boards.image.build import SPARE_BYTES, lacking_bytes, update_bytes
from boards.image.content import Node, content
from boards.image.ext4 import Room
from boards.slot import first_state, seal_slot
from boards.slot.slot import Kit
from tests.boards.slot import kits

BLOCK_BYTES = 4096
COUNTS = {"block_bytes": BLOCK_BYTES, "blocks": 1 << 20, "reserved_blocks": 0}


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return kits.make_kit(tmp_path, version="1.0")


@pytest.fixture
def nodes(kit: Path, tmp_path: Path) -> list[Node]:
    slot, state = tmp_path / "slot", tmp_path / "state.json"
    with zipfile.ZipFile(next((kit / "wheels").glob("edgeface-*.whl"))) as wheel:
        wheel.extractall(slot / "site")
    (slot / "site/edgeface/large.bin").write_bytes(bytes(50 << 20))
    seal_slot(slot, kit, python=kits.PYTHON)
    state.write_bytes(first_state())
    return content(kit, slot, state)


def test_slot_is_reckoned_as_the_board_does(
    kit: Path, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # reading a kit puts its pip there
    asked = Kit(kit, name=kit).slot_bytes() + (50 << 20)
    assert asked <= update_bytes(nodes, kit_bytes=0) < asked + (1 << 20)


def test_slot_and_update_fit_after_growing(nodes: list[Node]) -> None:
    update = update_bytes(nodes, kit_bytes=40 << 20)
    assert update > (2 * 40 + 50) << 20
    full = Room(**COUNTS, free_blocks=0, inodes=1 << 20, free_inodes=1 << 20)
    need = (50 << 20) + update + SPARE_BYTES
    assert need < lacking_bytes(full, nodes, update=update) < 1.2 * need
    empty = Room(**COUNTS, free_blocks=1 << 20, inodes=1 << 20, free_inodes=1 << 20)
    assert lacking_bytes(empty, nodes, update=update) == 0


def test_names_need_room_too(nodes: list[Node]) -> None:
    room = Room(**COUNTS, free_blocks=1 << 20, inodes=1 << 16, free_inodes=100)
    assert lacking_bytes(room, nodes, update=0) > 0
