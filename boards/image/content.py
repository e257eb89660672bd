"""What a kit becomes inside an image: files, folders and links, and whether they are there."""

from __future__ import annotations

import filecmp
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards.image.ext4 import Entry, Ext4, quoted
from boards.slot import HOME, SLOTS, SYSTEM_FILES, SYSTEM_LINKS

FOLDER_MODE = 0o755
OWN_FOLDER = f"/{HOME}"  # everything below is the kit's; an older installation there is replaced


@dataclass(frozen=True)
class Node:
    """One thing to be in the image, owned by root: a folder, a file or a link by its ``kind``."""

    path: str
    kind: int
    mode: int
    source: Path | None = None
    link: str = ""


def content(kit: Path, slot: Path, state: Path) -> list[Node]:
    """Everything that a kit puts into an image, each folder before what is in it.

    Parameters
    ----------
    slot
        The filled slot, on this machine; it becomes slot a.
    state
        state.json of a board on which no slot has run yet.
    """
    first = f"{OWN_FOLDER}/slots/{SLOTS[0]}"
    nodes = [_folder(p) for p in (OWN_FOLDER, f"{OWN_FOLDER}/bin", f"{OWN_FOLDER}/slots", first)]
    nodes += _tree(slot, first)
    nodes.append(Node(f"{OWN_FOLDER}/state.json", stat.S_IFREG, 0o644, state))
    nodes.append(_link(f"{OWN_FOLDER}/current", f"slots/{SLOTS[0]}"))
    nodes += [
        Node(f"/{place}", stat.S_IFREG, mode, kit / name)
        for name, (place, mode) in SYSTEM_FILES.items()
    ]
    return nodes + [_link(f"/{place}", target) for place, target in SYSTEM_LINKS.items()]


def _folder(path: str) -> Node:
    return Node(path, stat.S_IFDIR, FOLDER_MODE)


def _link(path: str, target: str) -> Node:
    return Node(path, stat.S_IFLNK, 0o777, link=target)


def _tree(folder: Path, place: str) -> Iterator[Node]:
    for path in sorted(folder.iterdir()):
        inside = f"{place}/{path.name}"
        if path.is_symlink():
            yield _link(inside, str(path.readlink()))
        elif path.is_dir():
            yield _folder(inside)
            yield from _tree(path, inside)
        else:
            # By what it is for, not by this user's umask.
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            yield Node(inside, stat.S_IFREG, mode, path)


def differences(root: Ext4, nodes: Sequence[Node]) -> list[str]:
    """How the image differs from what is to be in it; empty: names, modes, owners, bytes agree.

    Files below /opt/edgeface that are not to be there count too.
    """
    wanted = {node.path: node for node in nodes}
    found = {e.path: e for e in _present(root, nodes)}
    problems = [f"{path} is left over" for path in sorted(set(found) - set(wanted))]
    problems += [f"{path} is missing" for path in sorted(set(wanted) - set(found))]
    problems += [
        f"{path} has another kind, mode or owner"
        for path, node in wanted.items()
        if path in found and _facts(found[path]) != (node.kind, node.mode, 0, 0)
    ]
    return problems or _other_bytes(root, nodes)


def _facts(entry: Entry) -> tuple[int, int, int, int]:
    return entry.kind, entry.mode, entry.owner, entry.group


def _present(root: Ext4, nodes: Sequence[Node]) -> Iterator[Entry]:
    own = root.entry(OWN_FOLDER)
    if own is not None:
        yield own
        if own.kind == stat.S_IFDIR:
            yield from root.walk(OWN_FOLDER)
    for node in nodes:
        if not node.path.startswith(f"{OWN_FOLDER}/") and node.path != OWN_FOLDER:
            entry = root.entry(node.path)
            if entry is not None:
                yield entry


def _other_bytes(root: Ext4, nodes: Sequence[Node]) -> list[str]:
    files = [node for node in nodes if node.kind == stat.S_IFREG]
    with tempfile.TemporaryDirectory(prefix="edgeface-image-") as folder:
        copies = root.dump([node.path for node in files], Path(folder))
        problems = [
            f"{node.path} has other bytes"
            for node, copy in zip(files, copies)
            if not filecmp.cmp(node.source, copy, shallow=False)
        ]
    return problems + [
        f"{node.path} leads elsewhere"
        for node in nodes
        if node.kind == stat.S_IFLNK and root.link(node.path) != node.link
    ]


def blocks(nodes: Sequence[Node], block_bytes: int) -> int:
    """Blocks that nodes take: files whole blocks, a folder one for each 8 names in it."""
    names: dict[str, int] = {}
    for node in nodes:
        parent = node.path.rpartition("/")[0]
        names[parent] = names.get(parent, 0) + 1
    sizes = [node.source.stat().st_size for node in nodes if node.source]
    return sum(-(-size // block_bytes) for size in sizes) + sum(1 + n // 8 for n in names.values())


def removal(root: Ext4, nodes: Sequence[Node]) -> list[str]:
    """debugfs commands that take away an earlier installation: only what `content` replaces."""
    commands = []
    for entry in reversed(list(_present(root, nodes))):
        command = "rmdir" if entry.kind == stat.S_IFDIR else "rm"
        commands.append(f"{command} {quoted(entry.path)}")
    return commands


def writing(root: Ext4, nodes: Sequence[Node]) -> list[str]:
    """debugfs commands that write nodes, after the folders that the image lacks for them."""
    commands, made = [], {node.path for node in nodes if node.kind == stat.S_IFDIR}
    for node in nodes:
        commands += _parents(root, node.path, made)
        commands += _commands(node)
    return commands


def _parents(root: Ext4, path: str, made: set[str]) -> list[str]:
    parent = path.rpartition("/")[0]
    if not parent or parent in made or root.is_folder(parent):
        return []
    made.add(parent)
    return [*_parents(root, parent, made), *_commands(_folder(parent))]


def _commands(node: Node) -> list[str]:
    path = quoted(node.path)
    if node.kind == stat.S_IFLNK:
        return [f"symlink {path} {quoted(node.link)}"]
    if node.kind == stat.S_IFDIR:
        make = [f"mkdir {path}"]
    else:
        folder, _, name = node.path.rpartition("/")
        make = [f"cd {quoted(folder or '/')}", f"write {quoted(node.source)} {quoted(name)}"]
    return [*make, f"set_inode_field {path} mode 0{node.kind | node.mode:o}"]
