"""OSDP by door.toml: keys, install mode, and what is refused."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.osdp import SETTINGS, Osdp
from edgeface.errors import ActuatorError, DoorError
from edgeface.schema import first_problem
from tests.door.outputs import opening, wait_until
from tests.door.panel import (
    KEY,
    Panel,
)


@pytest.fixture
def panel() -> Iterator[Panel]:
    panel = Panel(KEY)
    yield panel
    panel.stop()


def settings(folder: Path, panel: Panel, *, key: str | None = KEY.hex(), **more) -> dict:
    if key is not None:
        (folder / "scbk").write_text(key + "\n")
        (folder / "scbk").chmod(0o600)
    table = {"kind": "osdp", "device": str(panel.channel.device), "baud": 115200, **more}
    assert first_problem(table, SETTINGS) is None
    return table


def test_settings_open_a_door_that_works(panel: Panel, tmp_path: Path) -> None:
    table = settings(tmp_path, panel, key_file="scbk")
    with Osdp.from_settings(table, base=tmp_path) as door:
        assert door.must_work
        wait_until(lambda: door.fault() is None)


def test_line_without_a_secure_channel_must_be_asked_for(tmp_path: Path) -> None:
    panel = Panel(None)
    table = settings(tmp_path, panel)
    with pytest.raises(DoorError, match="secure_channel = false"):
        Osdp.from_settings(table, base=tmp_path)
    with pytest.raises(DoorError, match="exclude"):
        Osdp.from_settings({**table, "secure_channel": False, "key_file": "scbk"}, base=tmp_path)
    with Osdp.from_settings({**table, "secure_channel": False}, base=tmp_path) as door:
        wait_until(lambda: door.fault() is None and panel.online)
        door.handle(opening())
        wait_until(panel.cards)
    panel.stop()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("30" * 16, "everybody knows"),
        (bytes(range(0x30, 0x40)).hex(), "everybody knows"),
        ("00" * 15, "32 hex digits"),
        ("zz" * 16, "32 hex digits"),
    ],
)
def test_key_that_is_none_or_everybodys_is_refused(
    key: str, text: str, panel: Panel, tmp_path: Path
) -> None:
    table = settings(tmp_path, panel, key=key, key_file="scbk")
    with pytest.raises(DoorError, match=text):
        Osdp.from_settings(table, base=tmp_path)


def test_key_that_others_may_read_or_that_is_missing_is_refused(
    panel: Panel, tmp_path: Path
) -> None:
    table = settings(tmp_path, panel, key_file="scbk")
    (tmp_path / "scbk").chmod(0o644)
    with pytest.raises(DoorError, match="chmod 600"):
        Osdp.from_settings(table, base=tmp_path)
    (tmp_path / "scbk").unlink()
    with pytest.raises(DoorError, match="cannot read"):
        Osdp.from_settings(table, base=tmp_path)


def test_panel_sets_the_key_in_install_mode_and_only_then_gets_cards(tmp_path: Path) -> None:
    silent = Panel(None)
    table = settings(tmp_path, silent, key=None, key_file="scbk", install=True)
    with Osdp.from_settings(table, base=tmp_path) as door:
        wait_until(lambda: silent.online)
        assert "install mode" in str(door.fault())
        with pytest.raises(ActuatorError, match="told nothing"):
            door.handle(opening())
        silent.stop()
        panel = Panel(KEY, channel=silent.channel, installs=True)
        wait_until(lambda: (tmp_path / "scbk").exists())
        wait_until(lambda: "install mode" not in str(door.fault()))
        panel.restart()  # libosdp's panel would pause for minutes after our new beginning
        wait_until(lambda: door.fault() is None and panel.secure)
        assert (tmp_path / "scbk").read_text() == KEY.hex() + "\n"
        assert stat.S_IMODE((tmp_path / "scbk").stat().st_mode) == 0o600
        door.handle(opening())
        wait_until(panel.cards)
    panel.stop()
