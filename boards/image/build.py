"""Put a kit into a copy of a disk image: extract the root file system, change it, put it back."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.image.base import System, at, find_root, open_base, read_system
from boards.image.content import Node, blocks, content, differences, removal, writing
from boards.image.ext4 import Ext4, Room
from boards.image.kit import Kit, check_fit, open_kit
from boards.image.site import fill_site
from boards.image.sparse import copy_range, need_room, new_file
from boards.image.table import ALIGN_BYTES, Partition, Table, grow_partition, size_with
from boards.slot import RESERVE_BYTES, first_state, seal_slot

# An update fits before the board has grown its file system; and something for logs and a gallery.
SPARE_BYTES = 64 << 20
SPARE_INODES = 1024
# `boards deploy` brings the kit, and edgeface-slot takes a signed one to itself.
KIT_COPIES = 2
# What edgeface-slot reckons for a Python file, which it compiles; what was compiled is not counted.
FILE_SHARES = {".py": 2.5, ".pyc": 0.0}
BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Report:
    """What was done: sizes in bytes, ``sha256`` of the whole image."""

    system: str
    partition: int
    files: int
    grown_bytes: int
    changed: bool
    compiled: bool
    size: int
    sha256: str


def build_image(
    base: Path,
    *,
    board: str,
    kit: Path,
    out: Path,
    partition: int | None = None,
    public_key: Path | None = None,
    say: Callable[[str], None] = print,
) -> Report:
    """Write ``out``: the base image with a kit in slot a. ``base`` is read only.

    Parameters
    ----------
    board
        Name of the board that the image is for.
    partition
        Number of the root partition, where several could be it.
    public_key
        Who must have signed the kit: PEM file, or folder of them. None: not checked.
    say
        Takes a line at each step.

    Raises
    ------
    BoardsError
        The image, the kit and the board do not fit each other; a tool failed; or what was read
        back differs. There is no ``out`` then.
    """
    if out.exists():
        raise BoardsError(
            f"{out} exists, and is not overwritten; remove it or choose another --out"
        )
    say(f"checking kit {kit}")
    opened = open_kit(kit, board=board, public_key=public_key)
    table = open_base(base)
    root = find_root(base, table, number=partition)
    system = read_system(at(base, root))
    check_fit(opened, system)
    say(f"{base}: {system.title}, Python {system.python}, root in partition {root.number}")
    used = base.stat().st_blocks * 512
    need_room(out.parent, 2 * used + 8 * _size(kit) + SPARE_BYTES, "the image")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".edgeface-image-") as name:
        work = Path(name)
        say("installing the kit's wheels for the image")
        compiled, nodes = _stage(opened, system, work)
        update = update_bytes(nodes, kit_bytes=_size(kit))
        changed, files = _change(base, root, nodes, update=update, work=work, say=say)
        say("assembling and reading back")
        image = _assemble(base, table, root, files, work / "image")
        digest = _verify(image, root.start, files)
        image.rename(out)
    size = out.stat().st_size
    count = sum(node.source is not None for node in nodes)
    grown = size - table.size
    return Report(system.title, root.number, count, grown, changed, compiled, size, digest)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _stage(kit: Kit, system: System, work: Path) -> tuple[bool, list[Node]]:
    """Fill slot a on this machine; was it compiled, and what is to be in the image."""
    slot, state = work / "slot", work / "state.json"
    slot.mkdir()
    compiled = fill_site(slot / "site", kit, system)
    seal_slot(slot, kit.folder, python=system.python)
    state.write_bytes(first_state())
    return compiled, content(kit.folder, slot, state)


def _change(
    base: Path,
    root: Partition,
    nodes: Sequence[Node],
    *,
    update: int,
    work: Path,
    say: Callable[[str], None],
) -> tuple[bool, Path]:
    """Extract the root file system and put the nodes in; was there anything to do?"""
    extracted = work / "root.ext4"
    new_file(extracted, 0)
    copy_range(base, extracted, start=root.start, length=root.size, to=0)
    files = Ext4(extracted)
    files.mend()
    if not differences(files, nodes):
        say("this very kit is in the image already: nothing to change")
        return False, extracted
    gone = removal(files, nodes)
    if gone:
        say(f"taking away an earlier installation: {len(gone)} names")
        files.change(gone)
    _make_room(files, nodes, update=update, say=say)
    say(f"writing {len(nodes)} names")
    files.change(writing(files, nodes))
    files.check()
    problems = differences(files, nodes)
    if problems:
        raise BoardsError(f"read back from the image: {'; '.join(problems[:3])}; nothing written")
    return True, extracted


def _make_room(
    files: Ext4, nodes: Sequence[Node], *, update: int, say: Callable[[str], None]
) -> None:
    lacking = lacking_bytes(files.room(), nodes, update=update)
    if lacking:
        size = files.file.stat().st_size + lacking
        say(f"growing the file system by {lacking >> 20} MiB")
        files.mend()
        files.grow(-(-size // ALIGN_BYTES) * ALIGN_BYTES)


def update_bytes(nodes: Sequence[Node], *, kit_bytes: int) -> int:
    """What a board must have free for an update of this size: the kit, and a slot as
    edgeface-slot reckons it (`Kit.slot_bytes`)."""
    slot = RESERVE_BYTES
    for source in (node.source for node in nodes if node.source):
        slot += int(source.stat().st_size * FILE_SHARES.get(source.suffix, 1.0)) + BLOCK_BYTES
    return slot + KIT_COPIES * kit_bytes


def lacking_bytes(room: Room, nodes: Sequence[Node], *, update: int) -> int:
    """By how much a file system must grow: for a slot and an update of it, and to spare."""
    wanted = blocks(nodes, room.block_bytes) + (update + SPARE_BYTES) // room.block_bytes
    by_blocks = wanted - (room.free_blocks - room.reserved_blocks)
    inodes = 2 * len(nodes) + SPARE_INODES - room.free_inodes
    by_inodes = inodes * room.blocks // room.inodes
    # A grown file system spends some of it on tables, and reserves its share for root.
    return max(0, int(1.15 * max(by_blocks, by_inodes))) * room.block_bytes


def _assemble(base: Path, table: Table, root: Partition, files: Path, image: Path) -> Path:
    """The base image with another root file system, its partition and the image grown to fit."""
    size = files.stat().st_size
    total = size_with(table, root, size - root.size)
    new_file(image, total)
    copy_range(base, image, start=0, length=root.start, to=0)
    behind = root.start + size
    if behind < table.size:
        copy_range(base, image, start=behind, length=table.size - behind, to=behind)
    if table.label and size != root.size:
        grow_partition(image, root, size)
    copy_range(files, image, start=0, length=size, to=root.start)
    return image


def _verify(image: Path, start: int, files: Path) -> str:
    """SHA-256 of the image, after its partition was compared with the file system just checked."""
    inside, whole, wanted = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    size = files.stat().st_size
    _hash_range(files, 0, size, wanted)
    _hash_range(image, 0, start, whole)
    _hash_range(image, start, size, whole, inside)
    _hash_range(image, start + size, image.stat().st_size - start - size, whole)
    if inside.digest() != wanted.digest():
        raise BoardsError("the partition in the image differs from what was checked; try again")
    return whole.hexdigest()


def _hash_range(file: Path, start: int, length: int, *digests: hashlib._Hash) -> None:
    with open(file, "rb") as opened:
        opened.seek(start)
        while length > 0:
            block = opened.read(min(1 << 20, length))
            if not block:
                raise BoardsError(f"{file} is shorter than it was; is another program at it?")
            for digest in digests:
                digest.update(block)
            length -= len(block)
