"""The NPU: its driver, its library, the right to open it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from edgeface.artefact import artefacts
from edgeface.backends.ready import find_library, missing
from edgeface.backends.vendor import require_versions
from edgeface.board import Board, Npu
from edgeface.board_identity import NPU_RUNTIMES, device_tree
from edgeface.bundle import Bundle
from edgeface.doctor.finding import FAIL, OK, WARN, Finding
from edgeface.errors import BackendUnavailableError

Needs = Mapping[str, Collection[str]]
"""What the files of a bundle need of each piece of software, one text for each that differs."""

_WITH_NPU = {"rk3576": "rknpu", "t527": "vipcore"}
_KERNEL = (
    "use the board vendor's kernel, which has this driver (docs/npu.md); until then the CPU runs"
)
_RULE = (
    "install boards/files/70-edgeface.rules to /etc/udev/rules.d, then: "
    "usermod --append --groups render USER, and log in anew"
)
_MACHINE = {b"\xb7\x00": "aarch64", b"\x3e\x00": "x86_64"}  # e_machine of an ELF file
_VERSION = re.compile(rb"librknnrt version: (\d+(?:\.\d+)+)")


def check_npu(root: Path, board: Board, bundle: Bundle | None, *, arch: str) -> list[Finding]:
    """Look at everything between a board's NPU and us."""
    npu = board.npu
    if npu is None:
        return [_no_npu(root, board)]
    needs = _needs(board, bundle, npu)
    return [
        check_driver(npu, needs),
        check_permission(root, npu),
        check_library(npu, needs, arch=arch),
    ]


def check_driver(npu: Npu, needs: Needs) -> Finding:
    """Compare the kernel driver's version with what the bundle's files need."""
    check, found = "NPU driver", f"{npu.kind} {npu.driver or 'of unknown version'} at {npu.node}"
    needed = needs.get(npu.kind)
    if npu.driver and needed:
        problem = _unfit(npu.kind, npu.driver, needed)
        if problem:
            return Finding(check, FAIL, problem, "update the board's image: the kernel has it")
        found += f" (the bundle needs {' and '.join(sorted(needed))})"
    return Finding(check, OK, found)


def check_permission(root: Path, npu: Npu) -> Finding:
    """Say whether this user may open the NPU's node."""
    node = root / npu.node.lstrip("/")
    if os.access(node, os.R_OK | os.W_OK):
        return Finding("NPU permission", OK, f"{npu.node} may be opened")
    return Finding("NPU permission", FAIL, f"{npu.node} may not be opened by this user", _RULE)


def check_library(npu: Npu, needs: Needs, *, arch: str) -> Finding:
    """Find the vendor's library; compare its architecture, and its version where the file says."""
    check, runtime = "NPU library", NPU_RUNTIMES[npu.kind]
    status = FAIL if needs else WARN  # a bundle without files for this NPU does not need it
    place = find_library(runtime)
    if place is None:
        return Finding(check, status, str(missing(runtime)), "docs/npu.md says where it comes from")
    try:
        content = Path(place).read_bytes()
    except OSError as error:
        return Finding(check, OK, f"{place}, found by ld.so ({error.strerror})")
    machine = (
        _MACHINE.get(content[18:20], "another kind") if content[:4] == b"\x7fELF" else "no ELF"
    )
    if machine != arch:
        text = f"{place} is for {machine}, this machine is {arch}"
        return Finding(check, status, text, "install the library built for this machine")
    version = _VERSION.search(content)
    if not version:
        return Finding(check, OK, place)
    number = version[1].decode()
    problem = _unfit("librknnrt", number, needs.get("librknnrt", ()))
    if problem:
        return Finding(check, FAIL, f"{place}: {problem}", "docs/npu.md says where newer ones are")
    return Finding(check, OK, f"{place}, version {number}")


def _needs(board: Board, bundle: Bundle | None, npu: Npu) -> Needs:
    """What the bundle's files for this NPU need; a file that needs nothing still counts."""
    needs: dict[str, set[str]] = {}
    for one in artefacts(bundle) if bundle else ():
        if one.runtime == NPU_RUNTIMES[npu.kind] and one.runs_on(board):
            for piece, needed in {"file": one.file, **one.needs}.items():
                needs.setdefault(piece, set()).add(needed)
    return needs


def _no_npu(root: Path, board: Board) -> Finding:
    if board.name in _WITH_NPU:
        driver = _WITH_NPU[board.name]
        return Finding("NPU driver", WARN, f"{board.name} has an NPU, no {driver} driver", _KERNEL)
    if "arm,sun55iw3p1" in device_tree(root)[0]:
        return Finding(
            "NPU driver",
            WARN,
            "no /dev/vipcore: an A527, which has no NPU, or a T527 whose driver is off",
            "if the chip says T527, switch the driver on (boards/t527/README.md)",
        )
    return Finding("NPU driver", OK, "this board has no NPU that edgeface knows")


def _unfit(piece: str, found: str, needed: Collection[str]) -> str | None:
    try:
        for one in sorted(needed):
            require_versions({piece: one}, {piece: found}, name="bundle", upgrade="update it")
    except BackendUnavailableError as error:
        return str(error)
    return None
