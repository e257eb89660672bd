"""A real Debian 12 arm64 root in a real disk image, made once: GPT, loader area, FAT, ext4."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from boards.facts import board_facts, board_file
from boards.slot import HOME
from boards.wheels.target import Target
from tests.boards.slot import kits

BOARD = "rk3576"
TOOLS = ("mmdebstrap", "debugfs", "sfdisk", "mke2fs", "qemu-aarch64")
PACKAGES = "base-files,python3,libstdc++6,libgcc-s1,zlib1g"
ROOT_TYPE = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LOADER_PLACE, LOADER = 64 * 512, b"a boot loader stands here" * 1000
ROOT_START = 24 << 20


def path_with_sbin() -> str:
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


@pytest.fixture(scope="session")
def tools() -> None:
    missing = [name for name in TOOLS if not shutil.which(name, path=path_with_sbin())]
    if missing:
        text = f"needs {missing}: apt-get install mmdebstrap e2fsprogs fdisk qemu-user"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


def shell(*words: str | Path, given: str | None = None) -> str:
    """Run a program; its output."""
    done = subprocess.run(
        [str(word) for word in words],
        input=given,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path_with_sbin(), "LC_ALL": "C"},
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="session")
def debian(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with Debian 12 for arm64: Python 3.11 and no systemd, merged /usr."""
    folder = tmp_path_factory.mktemp("debian")
    merged = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
    options = ["--quiet", "--arch=arm64", "--variant=extract", merged, f"--include={PACKAGES}"]
    try:
        shell("mmdebstrap", *options, "bookworm", folder / "root.tar")
    except AssertionError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Debian root: {error}")
    (folder / "root").mkdir()
    shell("tar", "-xf", folder / "root.tar", "-C", folder / "root", "--exclude=./dev/*")
    return folder / "root"


@pytest.fixture(scope="session")
def root_ext4(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root as an ext4 file of 128 MiB, which has not enough room for two slots."""
    file = tmp_path_factory.mktemp("ext4") / "root.ext4"
    shell("mke2fs", "-q", "-t", "ext4", "-L", "rootfs", "-d", debian, file, "128M")
    return file


def disk(file: Path, root: Path, *, script: str, size: int) -> Path:
    """A disk image by sfdisk's script, with a loader before the partitions and a root."""
    with open(file, "xb") as opened:
        opened.truncate(size)
    shell("sfdisk", "--quiet", file, given=script)
    with open(file, "r+b") as opened:
        opened.seek(LOADER_PLACE)
        opened.write(LOADER)
    words = ["bs=1M", f"seek={ROOT_START >> 20}", "conv=notrunc,sparse", "status=none"]
    shell("dd", f"if={root}", f"of={file}", *words)
    return file


@pytest.fixture(scope="session")
def base(root_ext4: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk image that the tests put kits into."""
    script = (
        f"label: gpt\nstart=16384,size=32768,type={ESP_TYPE},name=config\n"
        f"start={ROOT_START // 512},size={(128 << 20) // 512},type={ROOT_TYPE},name=rootfs\n"
    )
    return disk(
        tmp_path_factory.mktemp("base") / "debian.img", root_ext4, script=script, size=153 << 20
    )


def emulated(root: Path, *words: str) -> list[str | Path]:
    """Command line of slot a's edgeface, by the image's own interpreter on an emulated A72."""
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); from edgeface.cli import main; "
    python = ["qemu-aarch64", "-cpu", "cortex-a72", "-L", root, root / "usr/bin/python3.11"]
    return [*python, "-B", "-c", f"{run}sys.exit(main())", root / HOME / "slots/a/site", *words]


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit of a little app for Debian 12 on the RK3576."""
    return rk3576_kit(tmp_path_factory.mktemp("kit"), version="1.0")


def rk3576_kit(folder: Path, **options: Any) -> Path:
    """A kit of a little app; ``options`` as kits.make_kit takes them."""
    chosen = {"board": BOARD, "pythons": ("3.11",), **options}
    made = kits.make_kit(folder, **chosen)
    shutil.copyfile(board_file(chosen["board"]), made / "board.toml")
    (made / "THIRD_PARTY.md").write_text("none\n")
    target = Target(chosen["pythons"][0], board_facts(chosen["board"])["arch"])
    wheel = next((made / "wheels").glob("edgeface-*.whl"))
    wheel.rename(wheel.with_name(wheel.name.replace("py3-none-any", target.tags[1])))
    kits.write_sums(made)
    return made
