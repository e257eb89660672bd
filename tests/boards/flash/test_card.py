"""Cards: a real dd and bmaptool on files of a card's size, and this machine's own disks refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boards.__main__ import main
from boards.errors import BoardsError
from boards.flash.disk import disk_of, disk_target, open_target, read_facts
from boards.flash.readback import compare

USED = b"faces of other people " * 200_000


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A file in a card's place, full of something else."""
    file = tmp_path / "card"
    file.write_bytes(USED[: 4 << 20])
    return file


def flash(image: Path, device: Path | str, *more: str, tool: str = "dd") -> int:
    words = ["--board", "t527", "--tool", tool, "--image", str(image), "--device", str(device)]
    return main(["flash", *words, *more])


def test_dry_run_is_the_default_and_prints_the_very_command(
    image: Path, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(image, card) == 0
    said = capsys.readouterr().out
    assert f"dd if={image} of={card} bs=4M conv=fsync,notrunc status=progress" in said
    assert "nothing was written" in said
    assert card.read_bytes() == USED[: 4 << 20]


@pytest.mark.parametrize("tool", ["dd", "bmaptool"])
def test_write_and_verify(
    tool: str, image: Path, card: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which(tool):
        if os.environ.get("CI"):
            pytest.fail(f"needs {tool}: apt-get install bmap-tools")
        pytest.skip(f"needs {tool}: apt-get install bmap-tools")
    assert flash(image, card, "--write", tool=tool) == 0
    assert card.read_bytes()[: image.stat().st_size] == image.read_bytes()
    assert f"verified: all {image.stat().st_size} bytes read back" in capfd.readouterr().out


@pytest.mark.parametrize("tool", ["dd", "bmaptool"])
def test_holes_of_the_image_overwrite_what_was_on_the_card(
    tool: str, card: Path, tmp_path: Path
) -> None:
    if not shutil.which(tool):
        pytest.skip(f"needs {tool}: apt-get install bmap-tools")
    sparse = tmp_path / "sparse.img"
    with open(sparse, "wb") as file:
        file.write(b"start")
        file.truncate(3 << 20)
    assert flash(sparse, card, "--write", tool=tool) == 0
    assert card.read_bytes()[: 3 << 20] == sparse.read_bytes()


def test_verification_names_the_first_byte_that_differs(image: Path) -> None:
    data = bytearray(image.read_bytes())
    data[1_234_567] ^= 1
    with pytest.raises(BoardsError, match="the card differs from .* at byte 1234567"):
        compare(image, lambda start, n: bytes(data[start : start + n]), where="the card")


def test_verification_notices_a_card_that_ends_early(image: Path) -> None:
    data = image.read_bytes()[:-50]
    with pytest.raises(BoardsError, match=f"at byte {len(data)}"):
        compare(image, lambda start, n: data[start : start + n], where="the card")


def test_device_is_mandatory(image: Path) -> None:
    with pytest.raises(SystemExit):
        main(["flash", "--board", "t527", "--image", str(image)])


def test_tool_that_the_board_is_not_flashed_by(
    image: Path, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(image, card, tool="rkdeveloptool") == 1
    assert "t527 is not flashed by rkdeveloptool; expected one of" in capsys.readouterr().err


def test_image_that_is_missing(card: Path, tmp_path: Path) -> None:
    assert flash(tmp_path / "none.img", card) == 1


def test_too_small_a_card(image: Path, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(1 << 20))
    with pytest.raises(BoardsError, match=r"has 2621540 bytes and .*small 1048576; use a larger"):
        open_target(tmp_path / "small", image=image)


def test_device_that_is_not_there(image: Path) -> None:
    with pytest.raises(BoardsError, match="no such device"):
        open_target(Path("/dev/sd-none"), image=image)


def test_device_that_is_no_disk(image: Path) -> None:
    with pytest.raises(BoardsError, match="neither a disk nor a file"):
        open_target(Path("/dev/null"), image=image)


def test_the_image_is_not_written_onto_itself(image: Path) -> None:
    with pytest.raises(BoardsError, match="is the image itself"):
        open_target(image, image=image)


def test_this_machine_s_system_disk_is_refused(image: Path) -> None:
    """The disk that really holds / here, with --fixed-disk given: it is refused all the same."""
    name = disk_of(Path("/"))
    if name is None or not Path(f"/dev/{name}").is_block_device():
        pytest.skip("this machine's / lies on no disk that the kernel names")
    with pytest.raises(BoardsError, match=f"/dev/{name} holds /.*the system's disk is never"):
        open_target(Path(f"/dev/{name}"), image=image, fixed=True)


def test_every_mounted_disk_of_this_machine_is_refused(image: Path) -> None:
    done = subprocess.run(
        ["lsblk", "--json", "--output", "PATH,TYPE,MOUNTPOINT"], capture_output=True, text=True
    )
    for facts in json.loads(done.stdout or '{"blockdevices": []}')["blockdevices"]:
        if facts["mountpoint"]:
            with pytest.raises(BoardsError, match="never written|mounted at|swap"):
                open_target(Path(facts["path"]), image=image, fixed=True)


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[Path]:
    """A real block device, 4 MiB."""
    file = tmp_path / "loop"
    file.write_bytes(USED[: 4 << 20])
    made = subprocess.run(
        ["losetup", "--find", "--show", str(file)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no loop device to be had: {made.stderr.strip()}")
    yield Path(made.stdout.strip())
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


def test_block_device_is_written_and_read_back(image: Path, loop_device: Path) -> None:
    assert flash(image, loop_device, "--write") == 0
    assert loop_device.read_bytes()[: image.stat().st_size] == image.read_bytes()


def test_block_device_that_is_mounted_is_refused(
    image: Path, loop_device: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mke2fs", "-q", "-F", loop_device], check=True)
    if subprocess.run(["mount", loop_device, place]).returncode:
        pytest.skip("only root mounts")
    try:
        assert flash(image, loop_device, "--write") == 1
    finally:
        subprocess.run(["umount", place], check=True)
    assert f"{loop_device} is mounted at {place}; umount it first" in capsys.readouterr().err


def facts(**changed: Any) -> dict[str, Any]:
    """What lsblk says about an idle card in a USB reader."""
    idle: dict[str, Any] = {
        **{"name": "sdz", "path": "/dev/sdz", "type": "disk", "size": 32 << 30, "ro": False},
        **{"rm": True, "hotplug": True, "tran": "usb", "model": "Reader ", "serial": "0001"},
        **{"mountpoint": None, "fstype": None, "pkname": None},
    }
    return {**idle, **changed}


def part(**changed: Any) -> dict[str, Any]:
    return facts(
        **{"name": "sdz1", "path": "/dev/sdz1", "type": "part", "pkname": "sdz", **changed}
    )


def test_idle_card_is_accepted(image: Path) -> None:
    found = disk_target(
        Path("/dev/sdz"), facts=facts(children=[part(fstype="ext4")]), image=image, fixed=False
    )
    assert (found.size, found.title, found.block) == (32 << 30, "Reader 0001 usb", True)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (part(), "is a part, expected a whole disk; its disk is /dev/sdz"),
        (facts(type="lvm"), "is a lvm, expected a whole disk"),
        (facts(size=0), "has no medium"),
        (facts(ro=True), "is read only"),
        (facts(mountpoint="/mnt"), "mounted at /mnt; umount it first"),
        (facts(children=[part(mountpoint="/media/card")]), "sdz1 is mounted at /media/card"),
        (facts(children=[part(mountpoint="[SWAP]")]), "is swap in use"),
        (facts(children=[part(fstype="LVM2_member")]), "a LVM2_member, a part of a larger volume"),
        (facts(fstype="linux_raid_member"), "a linux_raid_member"),
        (
            facts(children=[part(children=[part(type="crypt", path="/dev/mapper/x")])]),
            r"/dev/mapper/x \(crypt\) is open",
        ),
        (facts(rm=False, hotplug=False, tran="nvme"), "is a fixed disk, no card"),
    ],
)
def test_disk_that_must_not_be_overwritten(
    changed: dict[str, Any], match: str, image: Path
) -> None:
    with pytest.raises(BoardsError, match=match):
        disk_target(Path(changed["path"]), facts=changed, image=image, fixed=False)


def test_fixed_disk_that_is_meant(image: Path) -> None:
    fixed = facts(rm=False, hotplug=False, tran="sata")
    assert disk_target(Path("/dev/sdz"), facts=fixed, image=image, fixed=True).block


def test_lsblk_of_this_machine_has_all_that_is_judged() -> None:
    name = disk_of(Path("/"))
    if name is None or not Path(f"/dev/{name}").is_block_device():
        pytest.skip("this machine's / lies on no disk that the kernel names")
    assert set(facts()) <= set(read_facts(Path(f"/dev/{name}")))
