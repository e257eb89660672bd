"""Kits that a machine does not take: each with its own text, and nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from boards.slot import slot as tool
from tests.boards.slot.kits import (
    PYTHON,
    assert_done,
    environment,
    make_kit,
    refused,
    run_slot,
    status,
    version_of_current,
    write_sums,
)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_damaged_file(updated, kit):
    (kit / "bundle.efb").write_bytes(b"bundle of 1.1")
    refused(updated, kit, "bundle.efb is damaged (SHA-256 differs)")


def test_missing_file(updated, kit):
    (kit / "bundle.efb").unlink()
    refused(updated, kit, "lacks bundle.efb")


def test_file_too_many(updated, kit):
    (kit / "wheels/evil-1-py3-none-any.whl").write_bytes(b"")
    refused(updated, kit, "holds, and does not list, wheels/evil-1-py3-none-any.whl")


def test_link_in_place_of_a_file(updated, kit, tmp_path):
    (kit / "bundle.efb").rename(tmp_path / "elsewhere")
    (kit / "bundle.efb").symlink_to(tmp_path / "elsewhere")
    refused(updated, kit, "bundle.efb is not a plain file")


@pytest.mark.parametrize("sums", ["", "nonsense\n", "\n", None])
def test_malformed_sums(updated, kit, sums):
    (kit / "SHA256SUMS").unlink()
    if sums is not None:
        (kit / "SHA256SUMS").write_text(sums)
    refused(updated, kit, "SHA256SUMS")


def test_file_listed_twice(updated, kit):
    sums = (kit / "SHA256SUMS").read_text()
    (kit / "SHA256SUMS").write_text(sums + sums.splitlines(keepends=True)[0])
    refused(updated, kit, "SHA256SUMS is malformed")


def test_sums_that_name_files_outside(updated, kit):
    with (kit / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../../etc/passwd\n")
    refused(updated, kit, "lacks ../../etc/passwd")


def test_folder_that_is_no_kit(updated, tmp_path):
    refused(updated, tmp_path / "nothing", "is not a kit: SHA256SUMS cannot be read")


def test_kit_of_a_later_format(updated, kit):
    replace(kit / "kit.json", '"format": 1', '"format": 2')
    write_sums(kit)
    refused(updated, kit, "has format 2, this edgeface-slot reads 1: install it by its own tool")


@pytest.mark.parametrize(
    ("old", "new"),
    [('"bundle.efb"', '"../bundle.efb"'), ('"version": "1.0"', '"version": 1'), ("{", "[{")],
)
def test_kit_description_that_is_none(updated, kit, old, new):
    replace(kit / "kit.json", old, new)
    write_sums(kit)
    refused(updated, kit, "kit.json")


def test_kit_of_another_processor(updated, tmp_path):
    kit = make_kit(tmp_path, version="1.5")
    replace(kit / "board.toml", os.uname().machine, "riscv64")
    write_sums(kit)
    refused(updated, kit, f"(riscv64), this machine is {os.uname().machine}: use its kit")


def test_kit_of_another_board_by_the_device_tree(root, tmp_path):
    kit = make_kit(tmp_path, version="1.5", board_toml='compatible = ["rockchip,rk3576"]\n')
    tree = tmp_path / "machine/proc/device-tree/compatible"
    tree.parent.mkdir(parents=True)
    machine = {"EDGEFACE_BOARD_ROOT": str(tmp_path / "machine")}
    refused(root, kit, "device tree says nothing: use its kit", **machine)
    tree.write_bytes(b"acme,door-2\0allwinner,t527\0")
    refused(root, kit, "device tree says acme,door-2, allwinner,t527: use its kit", **machine)
    tree.write_bytes(b"acme,door-3\0rockchip,rk3576\0")
    assert_done(run_slot(root, "install", kit, **machine))


def test_kit_of_another_board_than_the_installed_one(updated, tmp_path):
    kit = make_kit(tmp_path, version="1.5", board="other-board")
    refused(updated, kit, "board.toml says test-board: use that board's kit")


def test_kit_of_another_python(updated, tmp_path):
    kit = make_kit(tmp_path, version="1.5", pythons=("3.8",))
    refused(updated, kit, f"is for Python 3.8, this is {PYTHON}: make the kit with --python")


def test_kit_without_a_wheel_for_this_machine(updated, kit):
    wheel = kit / "wheels/edgeface-1.0-py3-none-any.whl"
    wheel.rename(wheel.with_name("edgeface-1.0-cp311-cp311-win_amd64.whl"))
    write_sums(kit)
    refused(updated, kit, "has no edgeface wheel for CPython")


def test_kit_without_pip(updated, kit):
    next((kit / "wheels").glob("pip-*")).unlink()
    write_sums(kit)
    refused(updated, kit, "holds 0 wheels of pip, expected one")


def test_kit_whose_pip_fails(updated, tmp_path):
    kit = make_kit(tmp_path, version="1.5", pip_ends="sys.exit('No space left on device')")
    refused(updated, kit, "pip could not install")


def test_disk_without_room(updated, kit, monkeypatch, capsys):
    usage = shutil.disk_usage(updated)
    monkeypatch.setattr(tool.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    monkeypatch.setenv("PATH", environment(updated.parent)["PATH"])
    assert tool.main(["install", str(kit), "--root", str(updated)]) == 1
    assert "1 MiB for a new slot, expected 32 MiB: make room first" in capsys.readouterr().err
    assert version_of_current(updated) == "2.0" and status(updated)["slots"]["a"]["damage"] is None


def test_idle_slot_makes_room_for_the_new_one(updated, kit, monkeypatch):
    free = (32 << 20) + 5000  # with the 20 kB of the idle slot enough, without not
    usage = shutil.disk_usage(updated)
    monkeypatch.setattr(tool.shutil, "disk_usage", lambda _: usage._replace(free=free))
    monkeypatch.setenv("PATH", environment(updated.parent)["PATH"])
    seen = []
    monkeypatch.setattr(
        tool, "fill", lambda *a, **k: seen.append(status(updated)["slots"]) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        tool.main(["install", str(kit), "--root", str(updated)])
    assert list(seen[0]) == ["b"]


def test_without_rights_the_text_says_so(updated, kit, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become somebody without rights")
    command = f"cd / && python3 -I {kit}/slot.py boot --root {updated}"
    for folder in (kit, updated, *updated.parents):
        if not folder.stat().st_mode & 0o077:
            folder.chmod(0o755)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", command],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Permission denied" in done.stderr, done.stderr
    assert "run it as root (sudo)" in done.stderr
