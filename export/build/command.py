"""Build a bundle: every step from the checkpoint to the packed, verified file.

``python -m export build --model dsanet_s --checkpoint export/checkpoints/dsanet_s.pt --targets
onnx,tflite,rk3576,t527 --calibration ../shared/data/fairface112/val.tar --data ../shared/data
--out bundle.efb``. Run it again after a failure or a change: only what is affected is done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType, SimpleNamespace

from export.build import calibrate, convert, pack, quantise, reference, report, verify
from export.build.work import Work

STEPS = (reference, calibrate, quantise, convert, verify, report, pack)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of all steps."""
    for step in STEPS:
        step.add_options(parser)
    parser.add_argument("--work", type=Path, metavar="DIR", help="work folder [OUT.work]")
    _add_fresh(parser)


def run(args: argparse.Namespace) -> int:
    """Run every step that is not done; returns the exit code."""
    pack.require_inputs(args)
    work = Work(args.work or args.out.with_name(args.out.name + ".work"), fresh=args.fresh)
    for step in STEPS:
        step.make(work, args)
    print(f"{sum(work.seconds().values()):.0f} s in all: {work.seconds()}")
    return 0


def alone(step: ModuleType) -> SimpleNamespace:
    """Return one step as a command of its own."""

    def add_step_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="work folder")
        step.add_options(parser)
        _add_fresh(parser)

    def run_step(args: argparse.Namespace) -> int:
        return step.make(Work(args.work, fresh=args.fresh), args) or 0

    return SimpleNamespace(__doc__=step.__doc__, add_arguments=add_step_arguments, run=run_step)


def _add_fresh(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="do again what was done before")
