"""Cross-build edgeface's manylinux2014 wheels.

``python -m boards wheels --out dist/wheels`` builds for CPython 3.9, 3.11, 3.12 and 3.13, on 64-bit
ARM and x86: any Linux with glibc 2.17 or later. The first build takes minutes: zig compiles its
own C++ library once. docs/packages.md says more.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from boards.errors import BoardsError
from boards.wheels.check import check_wheel
from boards.wheels.headers import find_headers
from boards.wheels.native import ROOT, build_module
from boards.wheels.pack import pack_wheel, python_tree
from boards.wheels.target import ARCHES, PYTHONS, Target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``boards wheels``."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("dist/wheels"),
        metavar="DIR",
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--python", action="append", metavar="3.N", help="CPython (default: 3.9, 3.11, 3.12, 3.13)"
    )
    parser.add_argument("--arch", action="append", choices=ARCHES, help="machine (default: both)")
    parser.add_argument(
        "--headers",
        action="append",
        default=[],
        metavar="3.N=DIR",
        help="folder with the Python.h of a version (default: this machine's, else Debian's)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / "build" / "wheels",
        metavar="DIR",
        help="objects, zig's cache and headers (default: build/wheels)",
    )


def run(args: argparse.Namespace) -> int:
    """Build and check every wheel; return 0."""
    given, work = _given_headers(args.headers), args.work.resolve()
    arches, pythons = args.arch or ARCHES, args.python or PYTHONS
    targets = [Target(python, arch) for arch in dict.fromkeys(arches) for python in pythons]
    # All before the first build: a version without headers is known at once.
    headers = {target: find_headers(target, given=given, work=work) for target in targets}
    tree = python_tree(work / "python")
    for target in targets:
        start = time.monotonic()
        module = build_module(target, headers=headers[target], work=work)
        wheel = pack_wheel(
            target, tree=tree, module=module, scratch=work / "scratch", out=args.out.resolve()
        )
        print(check_wheel(wheel, target))
        size, seconds = wheel.stat().st_size / 1e6, time.monotonic() - start
        print(f"{args.out / wheel.name}: {size:.1f} MB, {seconds:.0f} s\n", flush=True)
    return 0


def _given_headers(texts: list[str]) -> dict[str, Path]:
    given = {}
    for text in texts:
        python, equals, folder = text.partition("=")
        if not (python and equals and folder):
            raise BoardsError(f"--headers {text}: expected VERSION=DIR, such as 3.12=include/")
        given[python] = Path(folder)
    return given
