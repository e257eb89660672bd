"""``edgeface bench``: how fast this machine is, and which file of the embedder is faster."""

from __future__ import annotations

import argparse
from typing import Any

from edgeface.artefact import Artefact, choose_artefact
from edgeface.bench.compare import compare
from edgeface.bench.figures import MIN_ROUNDS, PERCENTILES
from edgeface.bench.rows import circumstances, print_csv
from edgeface.bench.stages import time_stages
from edgeface.bundle import Bundle
from edgeface.cli import positive
from edgeface.cli_output import UsageError, print_json, print_rows
from edgeface.configured import open_bundle
from edgeface.manifest import RUNTIMES, VARIANTS

_EPILOG = """\
Without --compare: detect, align and embed one face of a generated 640x480 picture. With it: two
of the embedder's files, taking turns in one process, each first half the time. A file is named
by its variant, whole (one network) or split (backbone and native head), or runtime:variant.

Milliseconds hold for this machine and this hour; compare ratios.

examples:
  edgeface bench
  edgeface bench --compare split,whole
  edgeface bench --compare tflite:split,onnx:split
  edgeface bench --compare split,whole --threads 2 --batch 8 --seconds 10 --json
  edgeface bench --csv --board rk3576 --commit "$(git rev-parse --short HEAD)"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--compare", type=_two_names, metavar="A,B", help="two embedder files: split,whole"
    )
    parser.add_argument(
        "--runs", type=positive, default=400, metavar="N", help="rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=_duration, default=60.0, metavar="S",
        help="stop earlier, after this long (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=positive, default=1, metavar="N", help="crops at once, with --compare"
    )
    parser.add_argument("--csv", action="store_true", help="print rows for a performance table")
    parser.add_argument("--board", metavar="NAME", help="for the table (default: the CPU's kind)")
    parser.add_argument("--commit", default="", metavar="ID", help="for the table")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 0."""
    _refuse_idle_options(args)
    bundle = open_bundle(args.bundle, public_key=args.public_key)
    limits = {"runs": args.runs, "seconds": args.seconds, "threads": args.threads}
    if args.compare:
        if args.runs < MIN_ROUNDS:
            raise UsageError(f"--runs {args.runs}: a comparison takes at least {MIN_ROUNDS}")
        chosen = {name: _named(bundle, name, args.runtime) for name in args.compare}
        measured = compare(bundle, chosen, batch=args.batch, **limits)
    else:
        artefact = choose_artefact(bundle, variant=args.variant, runtime=args.runtime)
        chosen = {artefact.title: artefact}
        named = {"variant": artefact.variant, "runtime": artefact.runtime}
        measured = {**named, **time_stages(bundle, artefact, **limits)}
    report = {
        "setting": circumstances(bundle, list(chosen.values()), threads=args.threads),
        **measured,
    }
    if args.json:
        print_json(report)
    elif args.csv:
        print_csv(report, board=args.board, commit=args.commit)
    else:
        _print_text(report)
    return 0


def _refuse_idle_options(args: argparse.Namespace) -> None:
    if args.compare and args.variant:
        raise UsageError("--variant says what --compare says already: leave one of them out")
    if args.batch > 1 and not args.compare:
        raise UsageError("--batch goes with --compare: the stages take one face")
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


def _duration(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{value:g} is not more than 0")
    return value


def _print_text(report: dict[str, Any]) -> None:
    setting = report["setting"]
    runtime = ", ".join(f"{name} {number}" for name, number in setting["runtime"].items())
    print(f"{setting['bundle']}, model {setting['model_id']}; {setting['machine']}, {runtime}")
    print(
        f"{report['runs']} rounds after {report['warmup']} to warm up, batch {report['batch']}, "
        f"{setting['threads']} thread(s), native code for {setting['isa']}"
    )
    heading = [f"p{p} ms" for p in PERCENTILES]
    rows = [
        [name, *(f"{row[f'p{p}_ms']:.3f}" for p in PERCENTILES)]
        for name, row in report["rows"].items()
    ]
    print_rows([["", *heading], *rows])
    if "ratio" in report:
        _print_ratio(report)


def _print_ratio(report: dict[str, Any]) -> None:
    ratio = report["ratio"]
    first, second = ratio["of"]
    print(
        f"{first} takes {ratio['value']:.3f} of {second}'s time (95 % interval {ratio['low']:.3f} "
        f"to {ratio['high']:.3f}; {first} first {ratio['when_first']:.3f}, {second} first "
        f"{ratio['when_second']:.3f})"
    )
    print(f"least cosine between their embeddings: {report['cosine']:.4f}")
    if report["faster"] is None:
        print("neither is faster here: the difference is within the noise of this run")
    else:
        print(f"faster here: {report['faster']} (milliseconds vary with the hour, ratios little)")
