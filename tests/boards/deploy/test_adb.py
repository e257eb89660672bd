"""Deploying by adb. No adbd is packaged for Linux: a program `adb` stands in for the way to it.

It takes adb's own words (-s SERIAL shell COMMAND, -s SERIAL push FILE PLACE) and does them on this
machine; all else is real.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.deploy.plan import make_plan
from boards.errors import BoardsError
from tests.boards.slot.kits import environment, make_kit, version_of_current

ADB = """\
#!/bin/sh
[ "$1" = -s ] || exit 2
if [ "$2" != BOARD:5555 ]; then echo "adb: device '$2' not found" >&2; exit 1; fi
command=$3
shift 3
export HOME={home} PATH={path}
case $command in
  shell) [ $# = 1 ] && exec sh -c "$1" ;;
  push) [ $# = 2 ] && exec cp "$1" "$2" ;;
esac
exit 2
"""


@pytest.fixture
def adb(tmp_path, monkeypatch) -> Path:
    """Put the stand-in on PATH; return the home that it gives its board."""
    home, programs = tmp_path / "home", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    path = environment(tmp_path)["PATH"]
    (tmp_path / "python/python3").symlink_to(Path(sys.executable).resolve())
    (programs / "adb").write_text(ADB.format(home=home, path=path))
    (programs / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return home


def deploy(kit: Path, root: Path, url: str = "adb://BOARD:5555") -> int:
    return main(["deploy", url, "--kit", str(kit), "--root", str(root)])


def test_kit_is_copied_installed_and_reported(adb, kit, tmp_path, capfd):
    root = tmp_path / "root"
    assert deploy(kit, root) == 0
    assert version_of_current(root) == "1.0"
    assert "slot a runs edgeface 1.0, self-test passed" in capfd.readouterr().out
    assert deploy(make_kit(tmp_path, version="2.0"), root) == 0
    assert version_of_current(root) == "2.0"


def test_board_that_is_not_there(adb, kit, tmp_path, capfd):
    assert deploy(kit, tmp_path / "root", "adb://OTHER") == 1
    assert "adb://OTHER: adb: device 'OTHER' not found" in capfd.readouterr().err


@pytest.mark.parametrize(
    "url", ["board", "http://board", "ssh://", "adb://", "ssh://a/b", "ssh://a:x"]
)
def test_address_of_no_known_kind_is_refused(kit, tmp_path, url, capfd):
    assert deploy(kit, tmp_path / "root", url) == 1
    assert "expected" in capfd.readouterr().err


@pytest.fixture
def board() -> dict:
    """What a board says of itself: everything fits the kit."""
    return {
        "machine": os.uname().machine,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "compatible": [],
        **{"user": "ada", "is_root": False, "writes": False, "sudo": True, "files": {}},
        **{"upload": "/home/ada/kit", "upload_free": 1 << 40, "home_free": 1 << 40},
        "same_disk": True,
    }


def test_user_without_rights_installs_by_sudo(kit, board):
    assert make_plan(kit, board).sudo
    assert not make_plan(kit, {**board, "is_root": True, "sudo": False}).sudo
    assert not make_plan(kit, {**board, "writes": True, "sudo": False}).sudo


def test_user_without_rights_and_sudo_is_told(kit, board):
    with pytest.raises(BoardsError, match="user ada may not write the slots, and sudo asks"):
        make_plan(kit, {**board, "sudo": False})


@pytest.mark.parametrize("place", ["upload_free", "home_free"])
def test_board_without_room_is_told_before_the_copy(kit, board, place):
    with pytest.raises(BoardsError, match="has 0 MiB free, this kit needs .* nothing was copied"):
        make_plan(kit, {**board, place: 1000})
