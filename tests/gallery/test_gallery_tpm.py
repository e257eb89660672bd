"""A key that a TPM 2.0 keeps: a real swtpm, the real tpm2-tools."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from base64 import b64encode

import pytest

from edgeface.errors import GalleryKeyError
from edgeface.gallery_key import GalleryKey

HANDLE = "0x81010001"
UNSEAL = ["tpm2_unseal", "-c", HANDLE]
MOMENTS = 100


@pytest.fixture
def tpm(tmp_path, monkeypatch):
    """Run a TPM of our own, and let tpm2-tools talk to it."""
    for tool in ("swtpm", "tpm2_unseal"):
        if not shutil.which(tool):
            pytest.fail(f"no {tool}") if "CI" in os.environ else pytest.skip(f"no {tool}")
    port = free_pair()
    state = tmp_path / "tpm"
    state.mkdir()
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags"]
    command += ["startup-clear", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1"]
    command += ["--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1"]
    process = subprocess.Popen(command)
    monkeypatch.setenv("TPM2TOOLS_TCTI", f"swtpm:host=127.0.0.1,port={port}")
    try:
        await_port(port + 1, process)
        yield tmp_path
    finally:
        process.kill()
        process.wait()


def free_pair() -> int:
    """A port that is free, as is the one after it."""
    for _ in range(MOMENTS):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            try:
                two.bind(("127.0.0.1", one.getsockname()[1] + 1))
            except OSError:
                continue
            return one.getsockname()[1]
    raise AssertionError("no two free ports in a row")


def await_port(port: int, process: subprocess.Popen) -> None:
    for _ in range(MOMENTS):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "swtpm ended"
        time.sleep(0.05)
    raise AssertionError("swtpm does not listen")


def tool(*words: str, data: bytes = b"") -> None:
    subprocess.run(words, input=data, check=True, capture_output=True)
    # There is no resource manager, as /dev/tpmrm0 has one: a TPM holds three objects only.
    subprocess.run(["tpm2_flushcontext", "-t"], check=True, capture_output=True)


def seal(folder, secret: bytes) -> None:
    """Keep a secret in the TPM at `HANDLE`, as docs/gallery-format.md says."""
    primary, public, private, context = (
        str(folder / name) for name in ("primary.ctx", "key.pub", "key.priv", "key.ctx")
    )
    tool("tpm2_createprimary", "-C", "o", "-c", primary)
    tool("tpm2_create", "-C", primary, "-i", "-", "-u", public, "-r", private, data=secret)
    tool("tpm2_load", "-C", primary, "-u", public, "-r", private, "-c", context)
    tool("tpm2_evictcontrol", "-C", "o", "-c", context, HANDLE)


@pytest.mark.parametrize("encoded", [False, True])
def test_gallery_opens_with_the_key_that_a_tpm_unseals(tpm, open_gallery, unit, encoded):
    secret = os.urandom(32)
    seal(tpm, b64encode(secret) if encoded else secret)
    gallery = open_gallery(key=GalleryKey.from_command(UNSEAL))
    gallery.enroll("Ann", unit(2))
    gallery.close()
    with pytest.raises(GalleryKeyError):
        open_gallery(key=GalleryKey(os.urandom(32), source="file"))
    table = {"command": UNSEAL, "timeout_s": 20}
    again = open_gallery(key=GalleryKey.from_settings(table, base=tpm))
    assert again.check().templates == 2
    assert again.verify("Ann", unit(2)[1], threshold=0.99)


def test_tpm_without_that_key_is_named(tpm):
    with pytest.raises(GalleryKeyError, match="key command tpm2_unseal failed with exit code"):
        GalleryKey.from_command(UNSEAL)
