"""``edgeface bench``: how fast this machine is, and which way to run the embedder is faster."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from edgeface import cli_bench_compare, cli_bench_print
from edgeface.artefact import Artefact, artefacts, choose_artefact
from edgeface.bench.compare import compare
from edgeface.bench.configuration import (
    Configuration,
    Place,
    place_of,
    place_of_cluster,
    places,
    require_allowed,
    sweep,
    thread_counts,
)
from edgeface.bench.figures import MIN_ROUNDS
from edgeface.bench.page import page
from edgeface.bench.processes import Plan
from edgeface.bench.rows import circumstances
from edgeface.bench.run import measure
from edgeface.board import Board
from edgeface.board_root import cpu_list
from edgeface.bundle import Bundle
from edgeface.cli import positive
from edgeface.cli_output import UsageError
from edgeface.configured import open_bundle, settings
from edgeface.manifest import RUNTIMES, VARIANTS

_EPILOG = """\
Times detect, align and embed for one face of a generated 640x480 picture, in fresh processes, with
temperatures and clocks watched. --sweep does so for every file, number of threads and cluster;
--compare takes two of the embedder's files in turns in one process. A file is named by its
variant, whole (one network) or split (backbone and native head), or runtime:variant.

Milliseconds hold for this machine and this hour; compare ratios.

examples:
  edgeface bench
  edgeface bench --sweep --html sweep.html
  edgeface bench --minutes 10 --cluster cortex-a72 --html drift.html
  edgeface bench --json before.json; edgeface bench --json after.json
  edgeface bench compare before.json after.json --tolerance 5
  edgeface bench --compare tflite:split,onnx:split --threads 2 --batch 8 --json
  edgeface bench --csv --board rk3576 --commit "$(git rev-parse --short HEAD)"
"""
_PROCESSES = 5
_SWEEP_SECONDS = 5.0  # of a configuration, where --seconds says nothing else


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--compare", type=_two_names, metavar="A,B", help="two embedder files: split,whole"
    )
    what.add_argument(
        "--sweep", action="store_true", help="every embedder file, number of threads and cluster"
    )
    what.add_argument(
        "--minutes", type=duration, metavar="M", help="one process for so long: does it drift?"
    )
    parser.add_argument(
        "--runs", type=positive, default=1000, metavar="N",
        help="rounds of a configuration (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=duration, metavar="S",
        help="stop a configuration earlier, after this long (default: 60; 5 of a sweep)",
    )  # fmt: skip
    add_places(parser)
    parser.add_argument(
        "--batch", type=positive, default=1, metavar="N", help="crops at once, with --compare"
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write JSON, to standard output or FILE",
    )
    parser.add_argument("--html", metavar="FILE", help="write a report with pictures")
    parser.add_argument("--csv", action="store_true", help="print rows for a performance table")
    parser.add_argument("--board", metavar="NAME", help="for the table (default: as detected)")
    parser.add_argument("--commit", default="", metavar="ID", help="for report and table")
    actions = parser.add_subparsers(dest="action", metavar="compare A.json B.json", required=False)
    cli_bench_compare.add_arguments(actions)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add what says where the processes run, and how many."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cluster", metavar="NAME", help="stay on its CPUs, such as cortex-a72")
    where.add_argument("--cpus", type=cpus, metavar="LIST", help="stay on these CPUs: 4-7 or 0,2")
    parser.add_argument(
        "--processes", type=positive, default=_PROCESSES, metavar="N",
        help="fresh processes of each configuration (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--sweep-threads", type=_counts, metavar="N,N", help="threads to try (default: 1,2,4...)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return the exit code."""
    if args.action == "compare":
        return cli_bench_compare.run(args)
    _refuse_idle_options(args)
    for file in (args.html, args.json):
        require_writable(file)
    bundle = open_bundle(args.bundle, public_key=args.public_key)
    if args.compare:
        report = _compare(args, bundle)
        _write_json(report, args)
        cli_bench_print.comparison(report, args)
        return 0
    kind = "sweep" if args.sweep else "sustained" if args.minutes else "stages"
    report = measure(
        kind, bundle, _configurations(args, bundle), _plan(args, kind),
        public_key=args.public_key, commit=args.commit,
    )  # fmt: skip
    if args.html:
        Path(args.html).write_text(page(report), encoding="utf-8")
    _write_json(report, args)
    return cli_bench_print.report(report, args)


def _write_json(report: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json not in (None, "-"):
        Path(args.json).write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")


def _compare(args: argparse.Namespace, bundle: Bundle) -> dict[str, Any]:
    if args.runs < MIN_ROUNDS:
        raise UsageError(f"--runs {args.runs}: a comparison takes at least {MIN_ROUNDS}")
    chosen = {name: _named(bundle, name, args.runtime) for name in args.compare}
    setting = circumstances(bundle, list(chosen.values()))
    limits = {"runs": args.runs, "seconds": args.seconds or 60.0, "threads": args.threads}
    measured = compare(bundle, chosen, batch=args.batch, **limits)
    return {"setting": {**setting, "threads": args.threads}, **measured}


def _plan(args: argparse.Namespace, kind: str) -> Plan:
    if kind == "sustained":
        print(f"edgeface: bench: one process for {args.minutes:g} minutes", file=sys.stderr)
        return Plan(processes=1, runs=1 << 31, seconds=args.minutes * 60)
    seconds = args.seconds or (_SWEEP_SECONDS if kind == "sweep" else 60.0)
    each = -(-args.runs // args.processes)
    return Plan(processes=args.processes, runs=each, seconds=seconds / args.processes)


def _configurations(args: argparse.Namespace, bundle: Bundle) -> list[Configuration]:
    board = Board.detect()
    if args.sweep:
        return sweep_configurations(args, bundle, board)
    # What is measured is what Pipeline.open would run here.
    wanted = settings().overridden(runtime=args.runtime, variant=args.variant, threads=args.threads)
    artefact = choose_artefact(bundle, variant=wanted.variant, runtime=wanted.runtime, board=board)
    place = chosen_place(args, board) or place_of(board, wanted.cpus)
    return [Configuration(artefact, args.threads, require_allowed(place))]


def sweep_configurations(
    args: argparse.Namespace, bundle: Bundle, board: Board
) -> list[Configuration]:
    """Return every configuration that the options leave, for the files that this board may run."""
    one = chosen_place(args, board)
    where = (one,) if one else places(board)
    files = [
        file
        for file in artefacts(bundle)
        if file.runs_on(board)
        and args.variant in (None, file.variant)
        and args.runtime in (None, file.runtime)
    ]
    found = list(sweep(files, threads=args.sweep_threads or thread_counts(where), places=where))
    if not found:
        raise UsageError("no file of the bundle, or no number of threads, is left to measure here")
    return found


def chosen_place(args: argparse.Namespace, board: Board) -> Place | None:
    """Return the CPUs that --cluster or --cpus names."""
    if args.cluster:
        return place_of_cluster(board, args.cluster)
    return require_allowed(place_of(board, args.cpus)) if args.cpus else None


def _refuse_idle_options(args: argparse.Namespace) -> None:
    if args.compare and args.variant:
        raise UsageError("--variant says what --compare says already: leave one of them out")
    if args.batch > 1 and not args.compare:
        raise UsageError("--batch goes with --compare: the stages take one face")
    if args.compare and (args.html or args.cluster or args.cpus):
        raise UsageError("--html, --cluster and --cpus do not go with --compare")
    if args.sweep_threads and not args.sweep:
        raise UsageError("--sweep-threads goes with --sweep; for one number say --threads")
    if args.csv and args.json:
        raise UsageError("--csv and --json: expected one of them")


def _two_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    known = {*VARIANTS, *(f"{runtime}:{variant}" for runtime in RUNTIMES for variant in VARIANTS)}
    if len(names) != 2 or names[0] == names[1] or not known.issuperset(names):
        raise argparse.ArgumentTypeError(
            f"{text!r}, expected two different ones of {', '.join(sorted(known))}"
        )
    return names


def _named(bundle: Bundle, name: str, runtime: str | None) -> Artefact:
    own, _, variant = name.rpartition(":")
    return choose_artefact(bundle, variant=variant, runtime=own or runtime)


def duration(text: str) -> float:
    """Parse seconds or minutes, more than 0."""
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{value:g} is not more than 0, or beyond all patience")
    return value


def require_writable(file: str | os.PathLike[str] | None) -> None:
    """Raise OSError where a file could not be written later: said before minutes are measured."""
    if file in (None, "-"):
        return
    place = Path(file).absolute()
    if place.is_dir():
        raise IsADirectoryError(f"{file}: is a folder, expected a file to write")
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise PermissionError(f"{file}: its folder is not there, or may not be written")


def cpus(text: str) -> tuple[int, ...]:
    """Parse Linux's way to list CPUs, such as "4-7" or "0,2", for argparse."""
    found = tuple(sorted(set(cpu_list(text))))
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of CPUs, expected such as 4-7 or 0,2"
        )
    return found


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({positive(word) for word in text.split(",")}))
