"""``edgeface tune``: find the fastest accurate way to run the embedder here, and keep it."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeface.artefact import choose_artefact
from edgeface.bench import text
from edgeface.bench.choose import choose
from edgeface.bench.configuration import Configuration
from edgeface.bench.difference import LEAST
from edgeface.bench.processes import Plan
from edgeface.bench.run import measure
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.cli_bench import add_places, duration, sweep_configurations
from edgeface.cli_output import UsageError, print_json, print_rows
from edgeface.configured import Settings, open_bundle, settings_path, write_settings

_EPILOG = """\
Measures every file of the bundle's embedder that this board may run, with 1, 2, 4 ... threads, on
each cluster. Where the self-test's cosine falls below the bundle's promise, a configuration is
refused, however fast. The choice goes into table [embedder] of the settings, which every later
command and Pipeline.open follow: $EDGEFACE_CONFIG, else /etc/edgeface/edgeface.toml.

examples:
  sudo edgeface tune
  edgeface tune --dry-run
  edgeface tune --cluster cortex-a72 --out edgeface.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    add_places(parser)
    parser.set_defaults(processes=LEAST + 1)
    parser.add_argument(
        "--seconds", type=duration, default=2.5, metavar="S",
        help="of each configuration, beside its starts (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="settings to write")
    parser.add_argument("--dry-run", action="store_true", help="measure and say, write nothing")


def run(args: argparse.Namespace) -> int:
    """Measure, choose, write, and return 0."""
    if args.processes < LEAST:
        raise UsageError(f"--processes {args.processes}: near ties take at least {LEAST} to tell")
    bundle = open_bundle(args.bundle, public_key=args.public_key)
    board = Board.detect()
    if not args.dry_run:
        _require_writable(Path(args.out) if args.out else settings_path())
    found = [
        one for one in sweep_configurations(args, bundle, board) if _reachable(bundle, board, one)
    ]
    plan = Plan(args.processes, runs=1 << 31, seconds=args.seconds / args.processes)
    report = measure("sweep", bundle, found, plan, public_key=args.public_key)
    choice = choose(report["configurations"])
    chosen = settings_of(choice.entry)
    written = None if args.dry_run else str(write_settings(chosen, args.out))
    if args.json:
        values = {"settings": asdict(chosen), "why": choice.why, "written": written}
        print_json({**values, "report": report})
    else:
        _print(report, choice.entry["name"], choice.why, written)
    return 0


def settings_of(entry: dict[str, Any]) -> Settings:
    """Return the settings that make a pipeline run as a configuration's entry did."""
    return Settings(
        runtime=entry["runtime"],
        variant=entry["variant"],
        threads=entry["threads"],
        cpus=tuple(entry["cpus"]) if entry["cpus"] else None,
    )


def _require_writable(place: Path) -> None:
    """Raise OSError where settings could not be written: before minutes are measured, not after."""
    folder = next(one for one in place.absolute().parents if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(
            f"{place}: {folder} may not be written; run it as root, name another file by --out, or "
            "say --dry-run"
        )


def _reachable(bundle: Bundle, board: Board, configuration: Configuration) -> bool:
    """Whether a runtime and a variant, which are what settings hold, name just this file."""
    mine = configuration.artefact
    chosen = choose_artefact(bundle, variant=mine.variant, runtime=mine.runtime, board=board)
    return chosen.file == mine.file


def _print(report: dict[str, Any], name: str, why: str, written: str | None) -> None:
    print_rows(text.sweep_rows(report))
    warnings = [one["text"] for one in report["findings"] if one["level"] == "warning"]
    print("\n".join([*text.left_out(report), *warnings, f"chosen: {name}", f"  {why}"]))
    print(f"written: {written}" if written else "dry run: nothing was written")
