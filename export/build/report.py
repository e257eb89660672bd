"""One HTML page, and the same numbers as JSON, of all that ``verify`` measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from export.build.work import Work
from export.verify.report import write_report


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], metavar="WORK", help="other models' builds"
    )


def make(work: Work, args: argparse.Namespace) -> None:
    """Write ``WORK/verify/report.html`` and ``report.json``."""
    print(f"report: {write_report(work.folder, beside=args.beside)}")
