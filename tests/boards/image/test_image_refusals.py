"""Images and kits that do not fit: each refused in its own words, and no output left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.errors import BoardsError
from boards.image.base import CONTAINERS
from boards.image.build import build_image
from boards.image.kit import open_kit
from boards.image.table import Partition, Table, size_with
from tests.boards.image.conftest import BOARD, ROOT_START, disk, rk3576_kit, shell
from tests.boards.slot import kits


def refused(base: Path, kit: Path, out: Path, *, match: str, board: str = BOARD) -> None:
    with pytest.raises(BoardsError, match=match):
        build_image(base, board=board, kit=kit, out=out, say=lambda line: None)
    assert [file.name for file in out.parent.iterdir() if "edgeface-image" in file.name] == []
    assert not out.is_file() or out.read_bytes() == b"mine"


@pytest.mark.parametrize("magic", CONTAINERS)
def test_packed_image_is_refused_with_how_to_unpack_it(
    magic: bytes, kit: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base.img"
    base.write_bytes(magic + bytes(8192))
    refused(base, kit, tmp_path / "out.img", match=CONTAINERS[magic].split(";")[0].split("{")[0])


def test_output_is_not_overwritten(kit: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.img"
    out.write_bytes(b"mine")
    refused(tmp_path / "base.img", kit, out, match="exists, and is not overwritten")


def test_missing_base(kit: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none.img", kit, tmp_path / "out.img", match="no such file")


def test_file_without_a_partition_table(tools: None, kit: Path, tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(bytes(1 << 20))
    refused(tmp_path / "base.img", kit, tmp_path / "out.img", match="no partition table")


def test_image_that_was_cut_short(base: Path, kit: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.img"
    with open(base, "rb") as whole:
        short.write_bytes(whole.read(100 << 20))
    refused(short, kit, tmp_path / "out.img", match="the GPT is damaged, or the file was cut short")


def test_damaged_kit(base: Path, tmp_path: Path) -> None:
    kit = rk3576_kit(tmp_path / "kits", version="1.0")
    (kit / "bundle.efb").write_bytes(b"bundle of 1.1")
    refused(base, kit, tmp_path / "out.img", match="bundle.efb is damaged")


@pytest.mark.parametrize(
    "told", [{"bundle": "/etc/hostname"}, {"bundle": 1}, {"pythons": [3.11]}, {"format": 2}]
)
def test_kit_that_names_a_file_of_this_machine(told: dict[str, object], tmp_path: Path) -> None:
    kit = rk3576_kit(tmp_path, version="1.0")
    facts = json.loads((kit / "kit.json").read_text())
    (kit / "kit.json").write_text(json.dumps({**facts, **told}))
    kits.write_sums(kit)
    with pytest.raises(BoardsError, match="expected format 1, bundle.efb, and versions"):
        open_kit(kit, board=BOARD)


def test_unsigned_kit_where_a_key_is_given(base: Path, kit: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n"
    )
    with pytest.raises(BoardsError, match="is not signed"):
        build_image(
            base, board=BOARD, kit=kit, out=tmp_path / "o", public_key=key, say=lambda line: None
        )


def test_kit_for_another_board(base: Path, kit: Path, tmp_path: Path) -> None:
    refused(base, kit, tmp_path / "out.img", board="t527", match="is for rk3576; expected t527")


def test_image_for_another_machine(base: Path, tmp_path: Path) -> None:
    kit = rk3576_kit(tmp_path / "kits", version="1.0", board="x86-64-host")
    match = "image is for aarch64 .*x86-64-host is x86_64"
    refused(base, kit, tmp_path / "out.img", board="x86-64-host", match=match)


def test_python_that_the_kit_has_no_wheels_for(base: Path, tmp_path: Path) -> None:
    kit = rk3576_kit(tmp_path / "kits", version="1.0", pythons=("3.9",))
    refused(base, kit, tmp_path / "out.img", match="Python 3.11, and the kit has wheels for 3.9")


def test_kit_that_lacks_a_package(base: Path, tmp_path: Path) -> None:
    kit = rk3576_kit(tmp_path / "kits", version="1.0")
    wheel = next((kit / "wheels").glob("edgeface-*"))
    shell("sh", "-c", f"cd {tmp_path} && python3 -m zipfile -e {wheel} wheel")
    metadata = next((tmp_path / "wheel").glob("*.dist-info/METADATA"))
    needs = "Requires-Dist: numpy>=1.26\nRequires-Dist: tomli; python_version<'3.11'\n"
    metadata.write_text(metadata.read_text() + needs)
    wheel.unlink()
    shell("sh", "-c", f"cd {tmp_path}/wheel && python3 -m zipfile -c {wheel} *")
    kits.write_sums(kit)
    refused(base, kit, tmp_path / "out.img", match="needs numpy>=1.26, and the kit has no wheel")


def test_image_without_the_whole_python(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    base, folder = tmp_path / "base.img", "/usr/lib/python3.11/sqlite3"
    shell("cp", root_ext4, base)
    listed = shell("debugfs", "-R", f"ls -p {folder}", base)
    names = [line.split("/")[5] for line in listed.splitlines() if line.startswith("/")]
    script = "".join(f"rm {folder}/{name}\n" for name in names if name not in (".", ".."))
    shell("debugfs", "-w", "-f", "/dev/stdin", base, given=f"{script}rmdir {folder}\n")
    refused(base, kit, tmp_path / "out.img", match="lacks sqlite3 .*python3-minimal")


def test_image_without_python(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.img"
    shell("cp", root_ext4, base)
    shell("debugfs", "-w", "-R", "rm /usr/bin/python3", base)
    refused(base, kit, tmp_path / "out.img", match="no /usr/bin/python3 in the image")


def test_damaged_file_system(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.img"
    shell("cp", root_ext4, base)
    # The root folder's inode says it is a plain file: nothing that can be mended unasked.
    shell("debugfs", "-w", "-R", "set_inode_field /home links_count 77", base)
    shell("debugfs", "-w", "-R", "set_inode_field /var block[0] 5", base)
    refused(base, kit, tmp_path / "out.img", match="root file system is damaged")


def test_two_roots_and_the_choice_between_them(root_ext4: Path, kit: Path, tmp_path: Path) -> None:
    size = (128 << 20) // 512
    start = ROOT_START // 512
    script = f"label: gpt\nstart={start},size={size}\nstart={start + size},size={size}\n"
    base = disk(tmp_path / "two.img", root_ext4, script=script, size=281 << 20)
    words = ["bs=1M", "seek=152", "conv=notrunc,sparse", "status=none"]
    shell("dd", f"if={root_ext4}", f"of={base}", *words)
    refused(base, kit, tmp_path / "out.img", match="partitions 1, 2 are all root")
    options = ["--board", BOARD, "--base", base, "--kit", kit, "--out", tmp_path / "out.img"]
    words = [str(word) for word in ["image", *options, "--partition", "2"]]
    assert main(words) == 0
    # Number 1 cannot grow: the other one follows.
    assert main([*words[:-3], str(tmp_path / "first.img"), "--partition", "1"]) == 1


def test_growth_goes_into_a_gap_and_not_over_the_next_partition() -> None:
    root, after = Partition(1, 1 << 20, 8 << 20), Partition(2, 16 << 20, 1 << 20)
    table = Table("gpt", 32 << 20, (root, after))
    assert size_with(table, root, 7 << 20) == 32 << 20
    with pytest.raises(BoardsError, match="must grow by 8 MiB, and the next one starts 7 MiB"):
        size_with(table, root, 8 << 20)
