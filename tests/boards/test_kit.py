"""A kit is made of real wheels, installs in a network namespace with nothing in it, and one that
is damaged, incomplete, another board's or not signed as asked is refused, each with its own text.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.errors import BoardsError
from boards.kit.check import check_kit
from boards.kit.make import checksums
from boards.kit.signature import sign
from boards.kit.wheels import check_complete, own_wheel, pinned
from boards.wheels.target import Target
from edgeface.signature import key_id, load_public_keys
from export.signing import KeyPair, generate_key
from tests.boards.conftest import HERE
from tests.check_build import refuse

BOARD = "x86-64-host"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return generate_key(tmp_path_factory.mktemp("keys") / "release.pem")


@pytest.fixture(scope="module")
def kit(host_wheel: Path, keys: KeyPair, repository: Path, tmp_path_factory) -> Path:
    """A signed kit for this machine and this Python."""
    if HERE.arch != "x86_64":
        pytest.skip(f"{BOARD}'s kit is for x86-64")
    out = tmp_path_factory.mktemp("kits")
    words = ["kit", "--board", BOARD, "--python", HERE.python, "--out", out, "--key", keys.private]
    words += ["--wheels", host_wheel.parent]
    words += ["--bundle", repository / "edgeface" / "models" / "default.efb"]
    assert main([str(word) for word in words]) == 0
    (made,) = out.iterdir()
    return made


@pytest.fixture
def copy(kit: Path, tmp_path: Path) -> Path:
    """The kit once more, by links: replace its files, never write into them."""
    folder = tmp_path / kit.name
    shutil.copytree(kit, folder, copy_function=os.link)
    return folder


def replace(file: Path, data: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def seal(kit: Path) -> None:
    """List the files anew, as somebody without the key could."""
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        (kit / name).unlink(missing_ok=True)
    (kit / "SHA256SUMS").write_bytes(checksums(kit))


def test_kit_is_what_sha256sum_and_its_signer_say(kit: Path, keys: KeyPair) -> None:
    done = subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=kit)
    assert done.returncode == 0
    facts = check_kit(kit, board=BOARD, public_key=keys.public)
    assert (facts["board"], facts["pythons"]) == (BOARD, [HERE.python])
    (key,) = load_public_keys(keys.public).values()
    assert (kit / "SHA256SUMS.sig").read_text().split()[1] == key_id(key) == keys.key_id
    table = (kit / "THIRD_PARTY.md").read_text()
    for name in ("| edgeface |", "| numpy |", "| onnxruntime |", "| pip |", "| ai-edge-litert |"):
        assert name in table


def test_same_inputs_make_the_same_kit(kit, host_wheel, keys, repository, tmp_path) -> None:
    words = ["kit", "--board", BOARD, "--python", HERE.python, "--out", tmp_path]
    words += ["--wheels", host_wheel.parent, "--key", keys.private]
    words += ["--bundle", repository / "edgeface" / "models" / "default.efb"]
    assert main([str(word) for word in words]) == 0
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        assert (tmp_path / kit.name / name).read_bytes() == (kit / name).read_bytes()


def test_kit_installs_and_runs_where_there_is_no_network(kit, photos, tmp_path) -> None:
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"]).returncode:
        refuse("a network namespace of one's own: unshare --net")
    links = subprocess.run([*alone, "cat", "/proc/net/dev"], capture_output=True, text=True)
    assert [line.split(":")[0].strip() for line in links.stdout.splitlines()[2:]] == ["lo"]

    root = tmp_path / "root"
    install = [sys.executable, "-I", kit / "slot.py", "install", kit, "--root", root]
    assert "installed" in run([*alone, *install])
    edgeface = root / "opt" / "edgeface" / "current" / "bin" / "edgeface"
    assert json.loads(run([*alone, edgeface, "selftest", "--json"]))["ok"] is True
    same = ("verify", photos / "collins.png", photos / "collins_mirrored.jpg", "--json")
    assert json.loads(run([*alone, edgeface, *same]))["same"] is True


def run(command: list[object]) -> str:
    outside = ("PYTHONPATH", "EDGEFACE_BUNDLE", "PIP_FIND_LINKS")
    environment = {k: v for k, v in os.environ.items() if k not in outside}
    # The slot's launcher asks for pythonX.Y by name.
    environment["PATH"] = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), os.environ["PATH"]])
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/")
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda kit: replace(kit / "bundle.efb", b"x"), "bundle.efb is damaged"),
    "cut short": (lambda kit: (kit / "slot.py").unlink(), r"lacks slot\.py"),
    "added": (lambda kit: (kit / "wheels" / "evil.whl").write_text(""), "does not list.*evil.whl"),
    "no list": (lambda kit: (kit / "SHA256SUMS").unlink(), "is not a kit"),
    "no signature": (lambda kit: (kit / "SHA256SUMS.sig").unlink(), "is not signed"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_kit_is_refused(what: str, copy: Path, keys: KeyPair) -> None:
    harm, text = DAMAGE[what]
    harm(copy)
    with pytest.raises(BoardsError, match=text):
        check_kit(copy, public_key=keys.public)


def test_kit_listed_anew_without_a_file_is_incomplete(copy: Path) -> None:
    (copy / "files" / "70-edgeface.rules").unlink()
    seal(copy)
    with pytest.raises(BoardsError, match=r"incomplete: it lacks files/70-edgeface\.rules"):
        check_kit(copy)


def test_kit_without_its_own_wheel_is_incomplete(copy: Path) -> None:
    next((copy / "wheels").glob("edgeface-*.whl")).unlink()
    seal(copy)
    with pytest.raises(BoardsError, match="has 0 edgeface wheels"):
        check_kit(copy)


def test_kit_of_another_board_is_refused(kit: Path) -> None:
    with pytest.raises(BoardsError, match="is for x86-64-host; expected rk3576"):
        check_kit(kit, board="rk3576")


def test_kit_signed_by_another_is_refused(kit: Path, tmp_path: Path) -> None:
    other = generate_key(tmp_path / "other.pem")
    with pytest.raises(BoardsError, match=f"expected {other.key_id}"):
        check_kit(kit, public_key=other.public)


def test_kit_changed_after_signing_is_refused(copy: Path, keys: KeyPair) -> None:
    signature = (copy / "SHA256SUMS.sig").read_bytes()
    replace(copy / "install.sh", b"#!/bin/sh\n")
    seal(copy)
    replace(copy / "SHA256SUMS.sig", signature)
    with pytest.raises(BoardsError, match="does not hold"):
        check_kit(copy, public_key=keys.public)


def test_key_that_cannot_sign_is_refused(keys: KeyPair, tmp_path: Path) -> None:
    with pytest.raises(BoardsError, match="is not a private key"):
        sign(b"", key=keys.public)
    locked = generate_key(tmp_path / "locked.pem", passphrase=b"open")
    with pytest.raises(BoardsError, match="--passphrase-file"):
        sign(b"", key=locked.private)
    assert sign(b"", key=locked.private, passphrase=b"open").startswith(b"ed25519 ")


def test_command_line_refuses_with_one_line(host_wheel, tmp_path, capfd) -> None:
    bundle = tmp_path / "b.efb"
    bundle.write_bytes(b"no bundle")
    common = ["kit", "--bundle", str(bundle), "--wheels", str(host_wheel.parent)]
    for words, text in [
        (["kit"], "expected --board and --bundle"),
        ([*common, "--board", "toaster"], "no board 'toaster'"),
        ([*common, "--board", BOARD, "--python", HERE.python], "is not a bundle for a kit"),
    ]:
        assert main([*words, "--out", str(tmp_path / "out")]) == 1
        error = capfd.readouterr().err
        assert text in error and len(error.splitlines()) == 1
    assert not list(tmp_path.glob("out/*"))


def test_missing_own_wheel_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(BoardsError, match=r"boards wheels --python 3\.9 --arch aarch64"):
        own_wheel(tmp_path, Target("3.9", "aarch64"))


@pytest.mark.parametrize("python", ["3.9", "3.11", "3.13"])
def test_pinned_set_has_one_version_of_everything(python: str) -> None:
    requirements = pinned(Target(python, "aarch64"), ["rknn", "onnx", "tflite"])
    names = [text.partition("==")[0] for text in requirements]
    assert len(names) == len(set(names)) and {"numpy", "onnxruntime", "pip"} <= set(names)
    assert all("==" in text for text in requirements)
    assert "ai-edge-litert" not in str(pinned(Target(python, "aarch64"), ["onnx"]))


def test_unpinned_need_of_a_wheel_is_found(host_wheel: Path) -> None:
    requirements = pinned(HERE, ["onnx"])
    check_complete(HERE, requirements, host_wheel, host_wheel.parent)
    without = [text for text in requirements if not text.startswith("tomlkit")]
    with pytest.raises(BoardsError, match="needs tomlkit"):
        check_complete(HERE, without, host_wheel, host_wheel.parent)
