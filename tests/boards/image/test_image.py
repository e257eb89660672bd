"""Kits inside a real Debian arm64 disk image: read back, run, grown, replaced."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from boards.image.build import Report, build_image
from boards.slot import HOME, SYSTEM_FILES, SYSTEM_LINKS
from tests.boards.image.conftest import (
    BOARD,
    LOADER,
    LOADER_PLACE,
    ROOT_START,
    disk,
    emulated,
    rk3576_kit,
    shell,
)


def build(base: Path, kit: Path, out: Path, **options: object) -> Report:
    return build_image(base, board=BOARD, kit=kit, out=out, say=lambda line: None, **options)


def partitions(image: Path) -> list[dict]:
    return json.loads(shell("sfdisk", "--json", image))["partitiontable"]["partitions"]


def extracted(image: Path, folder: Path, *, number: int = 2) -> Path:
    """The root file system, taken out of an image by other means than the code under test."""
    place = partitions(image)[number - 1]
    file = folder / "extracted.ext4"
    words = [f"skip={place['start']}", f"count={place['size']}", "bs=512", "status=none"]
    shell("dd", f"if={image}", f"of={file}", "conv=sparse", *words)
    return file


def unpacked(file: Path, folder: Path) -> Path:
    shell("e2fsck", "-fn", file)
    root = folder / "unpacked"
    root.mkdir()
    shell("debugfs", "-R", f"rdump / {root}", file)
    return root


@pytest.fixture(scope="module")
def image(base: Path, kit: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("image") / "out.img"
    return out, build(base, kit, out)


@pytest.fixture(scope="module")
def root(image: tuple[Path, Report], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    return unpacked(extracted(image[0], folder), folder)


def test_every_file_of_the_kit_is_where_the_board_looks_for_it(root: Path, kit: Path) -> None:
    for name, (place, mode) in SYSTEM_FILES.items():
        assert (root / place).read_bytes() == (kit / name).read_bytes()
        assert stat.S_IMODE((root / place).stat().st_mode) == mode
    for place, target in SYSTEM_LINKS.items():
        assert os.readlink(root / place) == target
    assert os.readlink(root / HOME / "current") == "slots/a"
    slot = root / HOME / "current"
    assert (slot / "bundle.efb").read_bytes() == (kit / "bundle.efb").read_bytes()
    assert json.loads((slot / "slot.json").read_text())["python"] == "3.11"
    assert stat.S_IMODE((slot / "bin/edgeface").stat().st_mode) == 0o755


def test_files_of_the_image_belong_to_root(image: tuple[Path, Report], tmp_path: Path) -> None:
    file = extracted(image[0], tmp_path)
    listed = shell("debugfs", "-R", f"ls -p /{HOME}/slots/a", file)
    rows = [line.split("/") for line in listed.splitlines() if line.startswith("/")]
    assert {(row[3], row[4]) for row in rows} == {("0", "0")}
    assert {"site", "bin", "bundle.efb"} <= {row[5] for row in rows}


def test_the_slot_tool_finds_its_slot_whole(root: Path) -> None:
    from boards.slot.slot import damage

    assert damage(root / HOME / "slots/a") is None


def test_the_image_s_python_runs_the_app_on_an_emulated_a72(root: Path) -> None:
    """The image's own interpreter and C library, by QEMU: as the launcher of the slot does."""
    done = subprocess.run(
        emulated(root, "selftest", "--json"),
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "EDGEFACE_BUNDLE": str(root / HOME / "slots/a/bundle.efb"),
            "PYTHONHOME": str(root / "usr"),
        },
    )
    assert json.loads(done.stdout) == {"ok": True}, done.stderr


def test_what_is_before_the_root_partition_is_untouched(
    image: tuple[Path, Report], base: Path
) -> None:
    with open(image[0], "rb") as new, open(base, "rb") as old:
        new.seek(LOADER_PLACE), old.seek(LOADER_PLACE)
        assert new.read(len(LOADER)) == LOADER
        new.seek(8 << 20), old.seek(8 << 20)
        assert new.read(16 << 20) == old.read(16 << 20)


def test_partition_grows_and_keeps_its_identity(image: tuple[Path, Report], base: Path) -> None:
    shell("sfdisk", "--verify", image[0])
    before, after = partitions(base), partitions(image[0])
    assert after[0].items() >= {k: v for k, v in before[0].items() if k != "node"}.items()
    assert after[1]["size"] > before[1]["size"]
    for field in ("start", "type", "uuid", "name"):
        assert after[1][field] == before[1][field]
    assert image[1].grown_bytes == image[0].stat().st_size - base.stat().st_size > 0


def test_the_backup_table_is_whole_at_the_new_end(
    image: tuple[Path, Report], tmp_path: Path
) -> None:
    """Without the first table, the one at the end must do."""
    copy = tmp_path / "copy.img"
    shell("cp", "--sparse=always", image[0], copy)
    with open(copy, "r+b") as opened:
        opened.seek(512)
        opened.write(bytes(512))
    found = partitions(copy)
    assert [p["size"] for p in found] == [p["size"] for p in partitions(image[0])]


def test_report_states_the_image_s_hash(image: tuple[Path, Report]) -> None:
    assert image[1].sha256 == hashlib.sha256(image[0].read_bytes()).hexdigest()
    assert image[1].changed


def test_image_stays_sparse(image: tuple[Path, Report]) -> None:
    assert image[0].stat().st_blocks * 512 < 0.8 * image[0].stat().st_size


def test_a_kernel_mounts_it(image: tuple[Path, Report], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    file, place = extracted(image[0], tmp_path), tmp_path / "mounted"
    place.mkdir()
    done = subprocess.run(["mount", "-o", "loop,ro", file, place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no loop devices here: {done.stderr.strip()}")
    try:
        assert os.readlink(place / "usr/local/bin/edgeface") == f"/{HOME}/current/bin/edgeface"
        assert (place / HOME / "current/slot.json").stat().st_uid == 0
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_same_kit_again_changes_nothing(
    image: tuple[Path, Report], kit: Path, tmp_path: Path
) -> None:
    report = build(image[0], kit, tmp_path / "again.img")
    assert not report.changed
    assert report.grown_bytes == 0


def test_another_version_replaces_the_first_and_keeps_settings(
    image: tuple[Path, Report], tmp_path: Path
) -> None:
    used = tmp_path / "used.img"
    shell("cp", "--sparse=always", image[0], used)
    settings = tmp_path / "edgeface.toml"
    settings.write_text("[embedder]\nthreads = 2\n")
    commands = f'cd /etc/edgeface\nwrite "{settings}" edgeface.toml\ncd /{HOME}/slots/a/site\n'
    inside = f"{used}?offset={ROOT_START}"
    shell(
        "debugfs",
        "-w",
        "-f",
        "/dev/stdin",
        inside,
        given=f'{commands}write "{settings}" left.txt\n',
    )
    report = build(used, rk3576_kit(tmp_path / "kits", version="2.0"), tmp_path / "new.img")
    found = unpacked(extracted(tmp_path / "new.img", tmp_path), tmp_path)
    assert report.changed
    assert "'2.0'" in (found / HOME / "slots/a/site/edgeface/cli.py").read_text()
    assert not (found / HOME / "slots/a/site/left.txt").exists()
    assert (found / "etc/edgeface/edgeface.toml").read_text() == settings.read_text()


def test_mbr_image(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    script = (
        "label: dos\nstart=16384,size=32768,type=c\n"
        f"start={ROOT_START // 512},size={(128 << 20) // 512},type=83\n"
    )
    base = disk(tmp_path / "mbr.img", root_ext4, script=script, size=ROOT_START + (128 << 20))
    build(base, kit, tmp_path / "out.img")
    found = unpacked(extracted(tmp_path / "out.img", tmp_path), tmp_path)
    assert (found / HOME / "current/bin/edgeface").is_file()


def test_bare_root_file_system(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    """rootfs.img, as vendors' SDKs make them."""
    report = build(root_ext4, kit, tmp_path / "out.img")
    found = unpacked(tmp_path / "out.img", tmp_path)
    assert report.partition == 0
    assert report.grown_bytes > 0
    assert (found / HOME / "current/bin/edgeface").is_file()
