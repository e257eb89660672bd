#!/usr/bin/env python3
"""Install, switch and mend the two slots in which a board holds edgeface.

One file, standard library only, Python 3.9 or later: a kit brings it as ``slot.py``, and the board
keeps it as /opt/edgeface/bin/edgeface-slot. A slot is a folder with the app, its packages and its
bundle; the link ``current`` says which one runs, and changes in one rename. Whatever the moment at
which the power goes, ``current`` names a slot that was complete and passed its self-test.
"""

from __future__ import annotations

import argparse
import base64
import errno
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

HOME = "opt/edgeface"
"""Folder of the slots, below the root."""

SLOTS = ("a", "b")
TRIES_LIMIT = 3
"""Boots that may begin with a slot and not reach the end of its self-test."""

CONTEXT = b"edgeface kit checksums, signature 1\n"
"""Begins the signed message of a kit; SHA256SUMS as stored follows."""

SYSTEM_FILES = {
    "slot.py": (f"{HOME}/bin/edgeface-slot", 0o755),
    "board.toml": ("etc/edgeface/board.toml", 0o644),
    "files/70-edgeface.rules": ("etc/udev/rules.d/70-edgeface.rules", 0o644),
    "files/edgeface-boot.service": ("etc/systemd/system/edgeface-boot.service", 0o644),
    "files/edgeface.service": ("etc/systemd/system/edgeface.service", 0o644),
    "files/edgeface-agent.service": ("etc/systemd/system/edgeface-agent.service", 0o644),
    "files/edgeface-rollouts.service": ("etc/systemd/system/edgeface-rollouts.service", 0o644),
}
"""File of the kit -> its place below the root, and its mode; both slots share these."""

_WANTS = "etc/systemd/system/multi-user.target.wants"
SYSTEM_LINKS = {
    "usr/local/bin/edgeface": f"/{HOME}/current/bin/edgeface",
    f"{_WANTS}/edgeface-boot.service": "../edgeface-boot.service",
    f"{_WANTS}/edgeface.service": "../edgeface.service",
    f"{_WANTS}/edgeface-agent.service": "../edgeface-agent.service",
}
"""Symbolic link below the root -> its target."""

SELFTEST_SECONDS = 300
EVENTS_LIMIT = 20
RESERVE_BYTES = 32 << 20
KEYS = "etc/edgeface/keys"
_SUMS, _SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\n]+)")
_SIGNATURE_LINE = re.compile(rb"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n")

# -I: neither the folder it is started in nor PYTHONPATH nor a user's packages come before the
# slot's own. -B: a .pyc that a power cut leaves half written would stop later starts.
_LAUNCHER = """\
#!/bin/sh
# Runs this slot's edgeface with this slot's bundle.
slot=$(dirname "$(dirname "$(readlink -f "$0")")")
export EDGEFACE_BUNDLE="${{EDGEFACE_BUNDLE:-$slot/bundle.efb}}"
exec python{python} -I -B -c '
import sys
sys.path.insert(0, sys.argv.pop(1))
from edgeface.cli import main
sys.exit(main())' "$slot/site" "$@"
"""


class SlotError(Exception):
    """What was found, what was expected, what to do."""


# ---- Files that are whole or not there


def sync(path: Path) -> None:
    """Put a file's contents, or a folder's names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, on the disk when this returns."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o755, exist_ok=True)
        sync(path.parent)


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a power cut leaves the old one or the new one."""
    make_folder(path.parent)
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(new, path)
    sync(path.parent)


def link_whole(path: Path, target: str) -> None:
    """Make or change a symbolic link, the same way."""
    make_folder(path.parent)
    new = path.with_name(f".{path.name}.new")
    if new.is_symlink():
        new.unlink()
    os.symlink(target, new)
    os.rename(new, path)
    sync(path.parent)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file, link or special file below a folder, in order; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path))
        else:
            yield Path(entry.path)


def sync_tree(folder: Path) -> None:
    """Put everything below a folder onto the disk, and its own name."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            sync_tree(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            sync(Path(entry.path))
    sync(folder)


def tree_bytes(folder: Path) -> int:
    """Bytes that a folder's files take; 0 where there is none."""
    if not folder.is_dir():
        return 0
    return sum(file.lstat().st_blocks * 512 for file in files_below(folder))


# ---- The slots of one machine


class Home:
    """/opt/edgeface below a root: slots, the link ``current`` and ``state.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / HOME

    def slot(self, name: str) -> Path:
        """Folder of a slot."""
        return self.folder / "slots" / name

    def current(self) -> str | None:
        """Return the slot that the link names, or None: no link, or it leads nowhere."""
        try:
            name = os.path.basename(os.readlink(self.folder / "current"))
        except OSError:
            return None
        return name if name in SLOTS and self.slot(name).is_dir() else None

    def state(self) -> dict[str, Any]:
        """Return state.json; a missing or damaged one reads as "nothing is confirmed"."""
        try:
            state = json.loads((self.folder / "state.json").read_bytes())
        except (OSError, ValueError):
            state = None
        if not isinstance(state, dict):
            state = {}
        tries, events = state.get("tries"), state.get("events")
        counts = tries.items() if isinstance(tries, dict) else ()
        return {
            "format": 1,
            "confirmed": state.get("confirmed"),
            "tries": {key: count for key, count in counts if isinstance(count, int)},
            "events": events if isinstance(events, list) else [],
        }

    def write_state(self, *, event: str = "", **changes: Any) -> None:
        """Change state.json, and print and keep what happened."""
        state = {**self.state(), **changes}
        if event:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            state["events"] = [*state["events"], f"{now} {event}"][-EVENTS_LIMIT:]
        write_whole(self.folder / "state.json", _json(state))
        if event:  # after the write: whoever listens, by ssh, may be gone
            print(f"edgeface-slot: {event}", flush=True)

    def count_try(self, name: str, count: int) -> None:
        """Note how many boots began with a slot since its self-test last passed."""
        before = self.state()["tries"]
        after = {key: tries for key, tries in {**before, name: count}.items() if tries}
        if after != before:
            self.write_state(tries=after)

    def point(self, name: str) -> None:
        """Switch: ``current`` names this slot from here on."""
        link_whole(self.folder / "current", f"slots/{name}")

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock, and give its descriptor: a child that inherits it holds it too."""
        make_folder(self.folder / "slots")
        descriptor = os.open(self.folder / "lock", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        except BlockingIOError:
            raise SlotError(
                f"{self.folder} is locked: another edgeface-slot is working on it; wait until it "
                "has ended (it ends with its process: there is no lock to remove)"
            ) from None
        finally:
            os.close(descriptor)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def first_state() -> bytes:
    """Return state.json of a machine whose slot has not run yet: the first boot confirms it."""
    return _json({"format": 1, "confirmed": None, "tries": {}, "events": []})


def seal_slot(slot: Path, kit: Path, *, python: str) -> None:
    """Make a folder whose ``site/`` is filled a slot: launcher, bundle, facts, list of files.

    Parameters
    ----------
    slot : Path
        Holds ``site/``, the packages as ``pip install --target`` left them.
    kit : Path
        The kit they came from, checked.
    python : str
        Version for which they were installed, such as "3.11".
    """
    facts = json.loads((kit / "kit.json").read_bytes())
    shutil.copyfile(kit / facts["bundle"], slot / "bundle.efb")
    (slot / "bin").mkdir()
    launcher = slot / "bin" / "edgeface"
    launcher.write_text(_LAUNCHER.format(python=python))
    launcher.chmod(0o755)
    name = f"edgeface-{facts['version']}-{facts['board']}"
    told = {"version": facts["version"], "board": facts["board"], "python": python, "kit": name}
    (slot / "slot.json").write_bytes(_json({"format": 1, **told}))
    sizes = {str(file.relative_to(slot)): file.lstat().st_size for file in files_below(slot)}
    (slot / "files.json").write_bytes(_json({"format": 1, "bytes": sizes}))


def damage(slot: Path) -> str | None:
    """Say what is missing or cut short in a slot, or None; contents are the self-test's work."""
    try:
        sizes = json.loads((slot / "files.json").read_bytes())["bytes"]
        for name, size in sizes.items():
            if (slot / name).lstat().st_size != size:
                return f"{name} has {(slot / name).lstat().st_size} bytes, expected {size}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"cannot be read: {error}"
    return None


def self_test(slot: Path, *, lock: int) -> str | None:
    """Run a slot's own self-test; return None if it passed, else why not."""
    problem = damage(slot)
    if problem:
        return problem
    environment = {k: v for k, v in os.environ.items() if k != "EDGEFACE_BUNDLE"}
    command = [str(slot / "bin" / "edgeface"), "selftest", "--json"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd="/",
            timeout=SELFTEST_SECONDS,
            pass_fds=(lock,),
        )
        passed = done.returncode == 0 and json.loads(done.stdout)["ok"] is True
    except subprocess.TimeoutExpired:
        return f"its self-test did not end within {SELFTEST_SECONDS} s"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its self-test could not be run: {error}"
    last = (done.stderr.strip() or done.stdout.strip() or "no text").splitlines()[-1]
    return None if passed else f"its self-test ended with {done.returncode}: {last}"


def settle(home: Home, *, lock: int, boot: bool) -> str | None:
    """Point ``current`` at a slot that passes its self-test; return it, or None.

    The current slot has the first turn, unless `TRIES_LIMIT` boots in a row began with it and did
    not get past its self-test (a hang, a crash of the kernel). Nothing is switched to a slot that
    fails: where both fail, the fault is the machine's, and ``current`` stays.
    """
    current = home.current()
    tries = home.state()["tries"]
    present = [name for name in SLOTS if home.slot(name).is_dir()]
    present.sort(key=lambda name: (tries.get(name, 0) >= TRIES_LIMIT, name != current))
    for name in present:
        if boot:
            with unless_full():
                home.count_try(name, tries.get(name, 0) + 1)
        problem = self_test(home.slot(name), lock=lock)
        if problem:
            print(f"edgeface-slot: slot {name}: {problem}", file=sys.stderr, flush=True)
            continue
        if name != current:
            home.point(name)
        with unless_full():
            if name != current:
                home.write_state(event=f"went from slot {current} to slot {name}, which works")
            home.count_try(name, 0)
            if home.state()["confirmed"] != name:
                home.write_state(confirmed=name, event=f"slot {name} confirmed")
        return name
    return None


@contextmanager
def unless_full() -> Iterator[None]:
    """Go on without a note where the disk takes none: the app starts all the same."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        print(f"edgeface-slot: not noted: {error}", file=sys.stderr, flush=True)


# ---- Kits


class Kit:
    """A kit's folder, after `check_sums`: nothing of it is believed before.

    ``name`` is the folder as the user knows it, where this one is a copy.
    """

    def __init__(self, folder: Path, *, name: Path) -> None:
        self.folder, self.name = folder, name
        self.facts = self._read_facts()
        self.version, self.board = self.facts["version"], self.facts["board"]
        pips = sorted((folder / "wheels").glob("pip-*.whl"))
        if len(pips) != 1:
            raise SlotError(f"kit {name} holds {len(pips)} wheels of pip, expected one")
        self.pip = pips[0]
        # pip brings the readers of wheel names and of TOML that Python 3.9 lacks.
        sys.path.insert(0, str(self.pip))

    def _read_facts(self) -> dict[str, Any]:
        try:
            facts = json.loads((self.folder / "kit.json").read_bytes())
            if facts["format"] != 1:
                raise SlotError(
                    f"kit {self.name} has format {facts['format']}, this edgeface-slot reads 1: "
                    f"install it by its own tool, python3 {self.name}/slot.py install"
                )
            told = [facts["version"], facts["board"], facts["bundle"], *facts["pythons"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SlotError(f"kit {self.name}: kit.json is not a kit's: {error!r}") from error
        if not all(isinstance(text, str) for text in told) or "/" in facts["bundle"]:
            raise SlotError(f"kit {self.name}: kit.json holds other things than names")
        return facts

    def board_facts(self) -> dict[str, Any]:
        """Return the kit's board.toml."""
        return _read_toml(self.folder / "board.toml")

    def wheels(self) -> dict[str, Path]:
        """Return the wheels that fit this Python and machine, pip's apart, by package name."""
        from pip._vendor.packaging.tags import sys_tags
        from pip._vendor.packaging.utils import InvalidWheelFilename, parse_wheel_filename

        fitting, supported = {}, set(sys_tags())
        for file in sorted((self.folder / "wheels").glob("*.whl")):
            try:
                name, _, _, tags = parse_wheel_filename(file.name)
            except InvalidWheelFilename as error:
                raise SlotError(f"kit {self.name}: {error}") from error
            if tags & supported and file != self.pip:
                fitting[name] = file
        if "edgeface" not in fitting:
            raise SlotError(
                f"kit {self.name} has no edgeface wheel for {platform.python_implementation()} "
                f"{python_version()} on {platform.machine()}, {' '.join(platform.libc_ver())}: "
                "make the kit for this machine's Python"
            )
        return fitting

    def slot_bytes(self) -> int:
        """Return what a slot of this kit takes on the disk, from above."""
        total = (self.folder / self.facts["bundle"]).stat().st_size + RESERVE_BYTES
        for file in self.wheels().values():
            with zipfile.ZipFile(file) as wheel:
                for member in wheel.infolist():
                    compiled = 1.5 if member.filename.endswith(".py") else 0
                    # Files take whole blocks of 4096 bytes.
                    total += int(member.file_size * (1 + compiled)) + 4096
        return total


def python_version() -> str:
    """Return this Python's version as kits name it, such as "3.11"."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        import tomllib as toml
    except ImportError:
        from pip._vendor import tomli as toml
    try:
        return toml.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SlotError(f"{file} cannot be read: {error}") from error


def check_sums(kit: Path) -> bytes:
    """Compare every file of a kit with SHA256SUMS, and return that file.

    Raises
    ------
    SlotError
        A file is missing, damaged, not listed, or no plain file; or the list is none.
    """
    try:
        sums = (kit / _SUMS).read_bytes()
        lines = [_SUM_LINE.fullmatch(line) for line in sums.decode("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise SlotError(f"{kit} is not a kit: {_SUMS} cannot be read: {error}") from error
    expected = {line[2]: line[1] for line in lines if line}
    if not lines or len(expected) != len(lines):
        raise SlotError(f"kit {kit}: {_SUMS} is malformed; copy the kit again")
    found = {str(file.relative_to(kit)) for file in files_below(kit)} - {_SUMS, _SIGNATURE}
    for text, names in (
        ("lacks", set(expected) - found),
        ("holds, and does not list,", found - set(expected)),
    ):
        if names:
            raise SlotError(f"kit {kit} {text} {', '.join(sorted(names)[:5])}: copy it again")
    for name, digest in expected.items():
        if not stat.S_ISREG((kit / name).lstat().st_mode):
            raise SlotError(f"kit {kit}: {name} is not a plain file: copy it again")
        if _sha256(kit / name) != digest:
            raise SlotError(f"kit {kit}: {name} is damaged (SHA-256 differs): copy it again")
    return sums


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check_signature(kit: Path, sums: bytes, *, keys: dict[str, Path], site: Path) -> None:
    """Check who signed SHA256SUMS, as docs/decisions/0011 does for bundles.

    Every signature by a trusted key must hold, and there must be one.

    Raises
    ------
    SlotError
        Not signed, by nobody trusted, not for these sums, or nothing here can check it.
    """
    try:
        data = (kit / _SIGNATURE).read_bytes()
    except OSError as error:
        raise SlotError(
            f"kit {kit} is not signed ({error}), and this machine takes signed kits only, by key "
            f"{', '.join(keys)}: make it with --key"
        ) from error
    signatures = {key.decode(): value for key, value in _SIGNATURE_LINE.findall(data)}
    if b"".join(b"ed25519 %s %s\n" % (k.encode(), v) for k, v in signatures.items()) != data:
        raise SlotError(f"kit {kit}: {_SIGNATURE} is malformed; make the kit again")
    known = sorted(set(signatures) & set(keys))
    if not known:
        raise SlotError(
            f"kit {kit} is signed by {', '.join(signatures) or 'nobody'}, expected "
            f"{', '.join(keys)}: use a kit of that signer"
        )
    for key in known:
        value = base64.b64decode(signatures[key])
        if not _signature_holds(keys[key], value, CONTEXT + sums, site=site):
            raise SlotError(
                f"kit {kit}: the signature by key {key} does not hold: it was changed after "
                "signing, or signed by somebody else; get it again from its maker"
            )


def read_keys(place: Path) -> dict[str, Path]:
    """Return the public keys' files by key id: a PEM file, or every ``*.pem`` of a folder."""
    files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
    keys = {}
    for file in files:
        try:
            text = file.read_text(encoding="ascii")
            body = re.fullmatch(
                r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*", text
            )
            der = base64.b64decode(body[1] if body else "")
        except (OSError, ValueError) as error:
            raise SlotError(
                f"public key {file} cannot be read: {error}; no kit is taken"
            ) from error
        # SubjectPublicKeyInfo of Ed25519 (RFC 8410): 12 fixed bytes, then the key's 32.
        if len(der) != 44 or der[:12].hex() != "302a300506032b6570032100":
            raise SlotError(f"{file} is not one Ed25519 public key in PEM form; no kit is taken")
        keys[hashlib.sha256(der).hexdigest()[:16]] = file
    if not keys:
        raise SlotError(f"public keys {place}: no .pem file in the folder; no kit is taken")
    return keys


def _signature_holds(key: Path, signature: bytes, message: bytes, *, site: Path) -> bool:
    """Ask `cryptography` of the system or of the slot that runs, else openssl 3 or later."""
    if site.is_dir():
        sys.path.append(str(site))
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return _openssl_holds(key, signature, message)
    try:
        load_pem_public_key(key.read_bytes()).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _openssl_holds(key: Path, signature: bytes, message: bytes) -> bool:
    openssl = shutil.which("openssl")
    version = "no openssl"
    if openssl:
        version = subprocess.run([openssl, "version"], capture_output=True, text=True).stdout
    found = re.match(r"OpenSSL (\d+)\.", version)
    if not found or int(found[1]) < 3:  # 1.1.1 of Debian 11 knows no -rawin
        raise SlotError(
            f"the kit's signature cannot be checked here (found {version.strip()}, no Python "
            "package cryptography): install python3-cryptography or OpenSSL 3; nothing was changed"
        )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "message").write_bytes(message)
        Path(folder, "signature").write_bytes(signature)
        done = subprocess.run(
            [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin"]
            + ["-in", f"{folder}/message", "-sigfile", f"{folder}/signature"],
            capture_output=True,
        )
    return done.returncode == 0


# ---- Install


def check_machine(home: Home, kit: Kit) -> None:
    """Refuse a kit of another board, machine or Python.

    Raises
    ------
    SlotError
        With what this machine is, and what the kit is for.
    """
    board = kit.board_facts()
    machine = platform.machine()
    if board.get("arch") != machine:
        raise SlotError(
            f"kit {kit.name} is for {kit.board} ({board.get('arch')}), this machine is "
            f"{machine}: use its kit"
        )
    tree = Path(os.environ.get("EDGEFACE_BOARD_ROOT", "/"), "proc/device-tree/compatible")
    here = tree.read_bytes().decode("ascii", "replace").split("\0")[:-1] if tree.exists() else []
    wanted = board.get("compatible", [])
    if wanted and not set(wanted) & set(here):
        raise SlotError(
            f"kit {kit.name} is for {kit.board} ({', '.join(wanted)}), this machine's device "
            f"tree says {', '.join(here) or 'nothing'}: use its kit"
        )
    installed = home.root / "etc/edgeface/board.toml"
    if installed.exists() and _read_toml(installed).get("name") != kit.board:
        raise SlotError(
            f"kit {kit.name} is for {kit.board}, and {installed} says "
            f"{_read_toml(installed).get('name')}: use that board's kit, or take the file away"
        )
    if python_version() not in kit.facts["pythons"]:
        raise SlotError(
            f"kit {kit.name} is for Python {', '.join(kit.facts['pythons'])}, this is "
            f"{python_version()}: make the kit with --python {python_version()}"
        )


@contextmanager
def taken(home: Home, folder: Path, sums: bytes) -> Iterator[Path]:
    """Copy a checked kit to where only root writes, for as long as it is installed.

    Whoever may write where a kit lies (a user's home, a stick) could else put other wheels there
    after the check, and root would run them.

    Raises
    ------
    SlotError
        There is no room for it, or the copy is not what was checked.
    """
    need, free = tree_bytes(folder), shutil.disk_usage(home.folder).free
    if free < need:
        raise SlotError(
            f"{home.folder} has {free >> 20} MiB for a copy of the kit, expected {need >> 20} MiB: "
            "make room first; nothing was changed"
        )
    closed = home.folder / "slots" / ".kit"
    closed.mkdir(mode=0o700)  # before anything is in it: a copy has the modes of its original
    try:
        copy = Path(shutil.copytree(folder, closed / folder.name, symlinks=True))
        if check_sums(copy) != sums:
            raise SlotError(f"kit {folder} was changed while it was read: copy it again")
        yield copy
    finally:
        shutil.rmtree(closed, ignore_errors=True)


def take_leftovers_away(home: Home) -> None:
    """Delete what an installation that was cut short has left."""
    for leftover in (home.folder / "slots").glob(".*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def make_room(home: Home, kit: Kit, *, name: str) -> None:
    """Take the idle slot away where the new one would not fit beside it.

    Raises
    ------
    SlotError
        It would not fit then either, or the slot still runs. Nothing was taken away.
    """
    refuse_running(home, name)
    need, idle = kit.slot_bytes(), tree_bytes(home.slot(name))
    free = shutil.disk_usage(home.folder).free
    if free + idle < need:
        raise SlotError(
            f"{home.folder} has {(free + idle) >> 20} MiB for a new slot, expected "
            f"{need >> 20} MiB: make room first; nothing was changed"
        )
    if free < need:
        print(f"edgeface-slot: taking slot {name} away to make room", flush=True)
        retire(home, name)


def refuse_running(home: Home, name: str) -> None:
    """Raise SlotError if a slot is current, or a process that was started from it still runs."""
    if name == home.current():
        raise SlotError(f"slot {name} runs, and is never deleted")
    # The launcher gives the folder of the packages to Python as an argument.
    site = os.fsencode(os.path.realpath(home.slot(name) / "site"))
    processes = []
    for told in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            processes += [told.parent.name] if site in told.read_bytes().split(b"\0") else []
        except OSError:  # it has ended
            continue
    if processes:
        raise SlotError(
            f"slot {name} is not current, and still runs in process {', '.join(processes)}: "
            "systemctl restart edgeface, or end it, and install again; nothing was changed"
        )


def retire(home: Home, name: str) -> None:
    """Delete a slot that nothing runs from; half deleted, it has no slot's name."""
    refuse_running(home, name)
    if home.slot(name).is_dir():
        old = home.folder / "slots" / ".old"
        os.rename(home.slot(name), old)
        sync(old.parent)
        shutil.rmtree(old)


def fill(kit: Kit, slot: Path, *, lock: int) -> None:
    """Install the kit's packages into a new folder and make it a slot, all of it on the disk.

    pip runs out of its own wheel: it needs no network, no installed pip, venv or ensurepip.
    """
    wheels = kit.wheels()
    temporary = slot / "tmp"  # not /tmp, which may be a small one in memory
    temporary.mkdir(parents=True)
    command = [sys.executable, "-I", str(kit.pip / "pip"), "install", "--isolated"]
    command += ["--no-index", "--find-links", str(kit.folder / "wheels"), "--only-binary=:all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--root-user-action=ignore", "--target", str(slot / "site")]
    command += [f"edgeface=={kit.version}", *sorted(set(wheels) - {"edgeface"})]
    environment = {**os.environ, "TMPDIR": str(temporary), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, pass_fds=(lock,)
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no text").splitlines()[-1]
        raise SlotError(f"pip could not install {kit.name}: {last}; what runs is unchanged")
    shutil.rmtree(temporary)
    seal_slot(slot, kit.folder, python=python_version())
    sync_tree(slot)


def install_system_files(home: Home, kit: Kit) -> None:
    """Bring what both slots share: this tool, board.toml, udev rule, units, links."""
    for name, (place, mode) in SYSTEM_FILES.items():
        if (kit.folder / name).exists():
            write_whole(home.root / place, (kit.folder / name).read_bytes(), mode=mode)
    for place, target in SYSTEM_LINKS.items():
        link = home.root / place
        if place.startswith(_WANTS) and not (kit.folder / "files" / link.name).exists():
            continue
        if not (link.is_symlink() and os.readlink(link) == target):
            link_whole(link, target)


def switch(home: Home, name: str, *, lock: int, why: str) -> None:
    """Make a slot current if its self-test passes; go back if it fails after the switch.

    Raises
    ------
    SlotError
        It failed. ``current`` is what it was.
    """
    before = home.current()
    home.count_try(name, 0)
    home.point(name)
    problem = self_test(home.folder / "current", lock=lock)
    if problem:
        if before:
            home.point(before)
        else:
            (home.folder / "current").unlink()
        home.write_state(event=f"went back from slot {name} to {before}: {problem}")
        raise SlotError(f"slot {name}: {problem}; went back to {before or 'no slot'}")
    home.write_state(confirmed=name, event=f"slot {name} is current and confirmed: {why}")


def install(home: Home, folder: Path, *, public_key: Path | None) -> None:
    """Check a kit, fill the slot that does not run with it, test it, switch to it.

    Raises
    ------
    SlotError
        The kit is damaged, not signed as this machine asks, or for another one; there is no room;
        or its self-test fails here. What ran before still runs.
    """
    sums = check_sums(folder)
    keys = public_key or home.root / KEYS
    signed = public_key is not None or os.path.lexists(keys)
    if signed:
        site = home.folder / "current" / "site"
        check_signature(folder, sums, keys=read_keys(keys), site=site)
    else:
        print(f"edgeface-slot: no key in {keys}: who made the kit is not checked", flush=True)
    with home.locked() as lock:
        take_leftovers_away(home)
        with taken(home, folder, sums) if signed else nullcontext(folder) as own:
            install_checked(home, Kit(own, name=folder), lock=lock)
    if home.root == Path("/") and Path("/run/systemd/system").is_dir():
        # By its bare name: where it lies, systems differ.
        subprocess.run(["systemctl", "daemon-reload"], check=False)  # nosec B607
    print("edgeface-slot: what runs keeps its version until: systemctl restart edgeface")


def install_checked(home: Home, kit: Kit, *, lock: int) -> None:
    """Install a kit whose files are what its maker listed; `install` says what is raised."""
    check_machine(home, kit)
    if settle(home, lock=lock, boot=False) is None and home.current():
        print("edgeface-slot: no slot works now: going on, to replace one", flush=True)
    name = next(name for name in SLOTS if name != home.current())
    make_room(home, kit, name=name)
    new = home.folder / "slots" / ".new"
    print(f"edgeface-slot: filling slot {name} with edgeface {kit.version}", flush=True)
    try:
        fill(kit, new, lock=lock)
        problem = self_test(new, lock=lock)
        if problem:
            raise SlotError(f"kit {kit.name}: on this machine {problem}; what runs is unchanged")
    except SlotError:
        shutil.rmtree(new)
        raise
    retire(home, name)
    os.rename(new, home.slot(name))
    sync(new.parent)
    install_system_files(home, kit)
    switch(home, name, lock=lock, why=f"edgeface {kit.version} installed")


# ---- Commands


def boot(home: Home) -> None:
    """At boot, before the app: see to it that ``current`` is a slot that works."""
    with home.locked() as lock:
        if settle(home, lock=lock, boot=True) is None:
            raise SlotError(
                f"no slot in {home.folder} passes its self-test, expected one: see the lines "
                "above; run edgeface doctor, or install a kit again"
            )


def confirm(home: Home) -> None:
    """Run the current slot's self-test, and note that it works."""
    with home.locked() as lock:
        name = home.current()
        problem = self_test(home.slot(name), lock=lock) if name else "there is no slot"
        if problem:
            raise SlotError(f"current is {name}: {problem}; go back by: edgeface-slot rollback")
        home.count_try(name, 0)
        home.write_state(confirmed=name, event=f"slot {name} confirmed")


def rollback(home: Home) -> None:
    """Go back to the other slot, if it works."""
    with home.locked() as lock:
        name = next(name for name in SLOTS if name != home.current())
        if not home.slot(name).is_dir():
            raise SlotError(f"there is no slot {name} to go back to; install a kit")
        problem = self_test(home.slot(name), lock=lock)
        if problem:
            raise SlotError(f"slot {name}: {problem}; {home.current()} stays; install a kit")
        switch(home, name, lock=lock, why="rolled back by hand")


def status(home: Home) -> dict[str, Any]:
    """Return what is in the slots, which one runs, whether it is confirmed, what happened."""
    current, state = home.current(), home.state()
    slots = {}
    for name in SLOTS:
        if home.slot(name).is_dir():
            try:
                facts = json.loads((home.slot(name) / "slot.json").read_bytes())
            except (OSError, ValueError):
                facts = {}
            slots[name] = {**facts, "damage": damage(home.slot(name))}
    pending = current if current and current != state["confirmed"] else None
    return {"current": current, "pending": pending, **state, "slots": slots}


def print_status(report: dict[str, Any]) -> None:
    """Print `status` for people."""
    for name, slot in report["slots"].items():
        notes = ["runs"] if name == report["current"] else []
        notes += ["not confirmed yet"] if name == report["pending"] else []
        notes += [slot["damage"]] if slot["damage"] else []
        told = (
            f"edgeface {slot.get('version')} for {slot.get('board')}, Python {slot.get('python')}"
        )
        print(f"slot {name}: {told}{': ' if notes else ''}{', '.join(notes)}")
    if not report["current"]:
        print("no slot is current: install a kit")
    print("\n".join(report["events"]))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--root", type=Path, default=Path("/"), help="another root (default /)")
    parser = argparse.ArgumentParser("edgeface-slot", description="Two slots of edgeface.")
    commands = parser.add_subparsers(dest="command", required=True)
    texts = {
        "install": "install a kit into the slot that does not run, and switch to it",
        "boot": "at boot: make a slot that works the current one",
        "confirm": "test the current slot, and note that it works",
        "rollback": "go back to the other slot",
        "status": "what is in the slots",
    }
    parsers = {n: commands.add_parser(n, help=t, parents=[common]) for n, t in texts.items()}
    parsers["install"].add_argument("kit", type=Path, help="the kit's folder")
    parsers["install"].add_argument(
        "--public-key", type=Path, help=f"PEM file or folder of them (default /{KEYS}, if there)"
    )
    parsers["status"].add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 an error, 2 usage."""
    args = parse(argv)
    os.umask(0o022)
    home = Home(args.root.resolve())
    try:
        if args.command == "install":
            install(home, args.kit.resolve(), public_key=args.public_key)
        elif args.command == "status":
            report = status(home)
            print(json.dumps(report, indent=2)) if args.json else print_status(report)
        else:
            {"boot": boot, "confirm": confirm, "rollback": rollback}[args.command](home)
    except PermissionError as error:
        print(f"edgeface-slot: {error}: run it as root (sudo)", file=sys.stderr)
        return 1
    except (SlotError, OSError) as error:
        print(f"edgeface-slot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
