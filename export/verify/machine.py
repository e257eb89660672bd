"""An emulated 64-bit ARM machine: a folder with Debian's Python, and a board's core under QEMU.

Packages are unpacked and never installed, wheels come from PyPI by the host's pip, so that making
one needs no emulation, no root and 20 seconds. QEMU looks below its ``-L`` folder first for every
absolute path that a program opens: each core has such a folder, whose /proc/cpuinfo and /sys are
a board's. Without those, the runtimes' CPU detection reads the host's and crashes.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError

ROOT = Path(__file__).resolve().parents[2]
QEMU = "qemu-aarch64"
PROGRAMS = {QEMU: "qemu-user", "apt-get": "apt", "dpkg-deb": "dpkg"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
SHARED_PACKAGES = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libbz2-1.0", "liblzma5"),
    *("libuuid1", "libsqlite3-0"),
)
READY = "ready"
PROCESSORS = 8


@dataclass(frozen=True)
class Release:
    """A Debian whose Python a vendor's image has."""

    debian: str
    python: str
    libraries: tuple[str, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """What the machine's root is unpacked from; the headers are for cross builds."""
        python = f"python{self.python}"
        own = (f"{python}-minimal", *(f"lib{python}-{p}" for p in ("minimal", "stdlib", "dev")))
        return (*own, *self.libraries, *SHARED_PACKAGES)

    @property
    def requirements(self) -> Path:
        """File with the pinned wheels."""
        return ROOT / "export" / f"requirements-arm64-{self.python}.txt"


RELEASES = {
    "3.11": Release("bookworm", "3.11", ("libssl3", "libffi8")),
    "3.9": Release("bullseye", "3.9", ("libssl1.1", "libffi7")),
}


@dataclass(frozen=True)
class Core:
    """A board's core, as Linux shows it."""

    part: int
    variant: int
    revision: int
    features: str
    board: str
    compatible: str
    stand_in: str = ""  # QEMU's core of the same instructions, for versions that have not this one


V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
V8_2 = f"{V8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
CORES = {
    "cortex-a53": Core(0xD03, 0, 4, V8_0, "RK3576's small cores", "rockchip,rk3576"),
    "cortex-a72": Core(0xD08, 1, 0, V8_0, "RK3576's large cores", "rockchip,rk3576"),
    "cortex-a55": Core(0xD05, 2, 0, V8_2, "T527's cores", "allwinner,sun55i-t527", "cortex-a76"),
}


def require_programs() -> None:
    """Raise ExportError with Debian's packages, if a program is missing."""
    missing = sorted({p for program, p in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        raise ExportError(
            f"missing for the emulated ARM machine: {', '.join(missing)}; as root: "
            f"apt-get install {' '.join(missing)}"
        )


@functools.cache
def emulated_core(core: str) -> str:
    """Return QEMU's name for a board's core: its own, or the stand-in's where QEMU is too old."""
    shown = subprocess.run([QEMU, "-cpu", "help"], capture_output=True, text=True, check=False)
    known = shown.stdout.split()
    return core if core in known else CORES[core].stand_in or core


@dataclass(frozen=True)
class Machine:
    """The emulated machine in a folder that `prepare` made."""

    folder: Path
    release: Release

    @property
    def site(self) -> Path:
        """Folder of the wheels' packages."""
        return self.folder / "site"

    @property
    def headers(self) -> Path:
        """The root's /usr/include."""
        return self.folder / "root" / "usr" / "include"

    def wheel(self, name: str) -> str:
        """Return a wheel's name and version, such as "onnxruntime 1.32.0"."""
        pins = self.release.requirements.read_text().splitlines()
        return next(pin for pin in pins if pin.startswith(f"{name}==")).replace("==", " ")

    def command(
        self,
        arguments: Sequence[object],
        *,
        core: str,
        packages: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> list[str]:
        """Return the command that runs the machine's Python.

        Parameters
        ----------
        arguments : Python's, such as ``["-m", "edgeface", "info"]``.
        core : a key of CORES.
        packages : folders to import from, before the wheels'.
        environment : more variables, for the emulated program only.
        options : more options of QEMU.
        """
        root = self.core_root(core)
        variables = {
            "PYTHONPATH": ":".join(str(Path(p).resolve()) for p in (*packages, self.site)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            **(environment or {}),
        }
        emulator = [QEMU, "-L", str(root), "-cpu", emulated_core(core)]
        for name, value in variables.items():
            emulator += ["-E", f"{name}={value}"]
        python = root / "usr" / "bin" / f"python{self.release.python}"
        return [*emulator, *options, str(python), *(str(word) for word in arguments)]

    def core_root(self, core: str) -> Path:
        """Return the core's folder for QEMU's ``-L``: the root, and what its kernel shows."""
        root = self.folder.resolve() / "cores" / core
        facts = CORES[core]
        count = f"0-{PROCESSORS - 1}\n"
        files = {
            "proc/cpuinfo": cpuinfo(facts),
            "proc/device-tree/compatible": f"{facts.compatible}\0",
            "proc/device-tree/model": f"emulated {core}\0",
            **{f"sys/devices/system/cpu/{n}": count for n in ("possible", "present", "online")},
        }
        for name, text in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.is_file() or file.read_text() != text:
                file.write_text(text)
        for entry in (self.folder / "root").iterdir():
            link = root / entry.name
            if not link.is_symlink():
                link.symlink_to(Path("..", "..", "root", entry.name))
        return root


def cpuinfo(core: Core) -> str:
    """Return /proc/cpuinfo of a machine with this core only."""
    text = (
        "processor\t: {}\nBogoMIPS\t: 48.00\nFeatures\t: {}\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: {:#x}\nCPU part\t: {:#x}\nCPU revision\t: {}\n\n"
    )
    rows = (core.features, core.variant, core.part, core.revision)
    return "".join(text.format(number, *rows) for number in range(PROCESSORS))


def prepare(folder: Path, *, python: str = "3.11") -> Machine:
    """Return the emulated machine in a folder, made unless it is there (needs a network).

    Parameters
    ----------
    folder : made again when the pinned wheels or packages have changed.
    python : a key of RELEASES.

    Raises
    ------
    ExportError
        A program is missing, or a download or an unpacking failed.
    """
    require_programs()
    release, folder = RELEASES[python], folder.resolve()
    machine, ready = Machine(folder, release), folder / READY
    made_of = "\n".join((release.debian, *release.packages, release.requirements.read_text()))
    if ready.is_file() and ready.read_text() == made_of:
        return machine
    for part in ("root", "site", "cores"):
        shutil.rmtree(folder / part, ignore_errors=True)
    _unpack_debian(release, folder)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp"]
    tag = f"cp{python.replace('.', '')}"
    pip += [f"--python-version={python}", f"--abi={tag}", "--abi=abi3", "--abi=none"]
    pip += [f"--platform={name}" for name in PLATFORMS]
    call([*pip, f"--target={machine.site}", "--requirement", str(release.requirements)])
    ready.write_text(made_of)
    return machine


def _unpack_debian(release: Release, folder: Path) -> None:
    apt, packages, root = (folder / name for name in ("apt", "packages", "root"))
    shutil.rmtree(packages, ignore_errors=True)
    for made in (apt / "lists" / "partial", apt / "archives" / "partial", packages, root):
        made.mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    sources = apt / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {release.debian} main\n")
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
    }
    own = ["apt-get", "--quiet=2", *(f"--option={k}={v}" for k, v in options.items())]
    call([*own, "update"], folder=packages)
    call([*own, "download", *release.packages], folder=packages)
    for package in sorted(packages.glob("*.deb")):
        call(["dpkg-deb", "--extract", str(package), str(root)])
    shutil.rmtree(packages)


def _mirror() -> str:
    """Return the archive that this machine's apt takes Debian from."""
    question = ["--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    found = call(["apt-get", "indextargets", *question]).split()
    if not found:
        raise ExportError("apt knows no archive of Debian here, expected one: apt-get update")
    return found[0]


def call(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return what it printed; ExportError with that when it fails."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ExportError(
            f"{' '.join(command[:2])} … failed with code {result.returncode}, expected 0:\n"
            f"{result.stdout[-2000:]}"
        )
    return result.stdout
