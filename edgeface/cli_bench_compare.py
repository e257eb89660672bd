"""``edgeface bench compare A.json B.json``: did it get slower? An exit code for CI says so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from edgeface.bench.judge import judge
from edgeface.bench.report import read_report
from edgeface.cli_output import print_json, print_rows

SLOWER = 4
_EPILOG = """\
A and B are reports of edgeface bench --json, of one machine and one bundle; B is the newer. A
ratio is B's time over A's. Its interval comes from the processes of both reports, by their
medians: no time of a call is taken for independent of its neighbour's.

exit codes: 0 not slower beyond the tolerance, 1 an error, 2 wrong usage, 4 all stages together
got slower beyond the noise and by more than the tolerance, or a configuration lost its accuracy
"""


def add_arguments(actions: Any) -> None:
    """Add this action to the command's."""
    parser = actions.add_parser(
        "compare",
        help="two reports: did it get slower?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("first", metavar="A.json", help="the older report")
    parser.add_argument("second", metavar="B.json", help="the newer report")
    parser.add_argument(
        "--tolerance", type=_percent, default=5.0, metavar="PERCENT",
        help="slower by so much is no failure (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--anyway", action="store_true", help="compare different machines or bundles too"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Compare, print, and return 0 or `SLOWER`."""
    found = judge(
        read_report(args.first), read_report(args.second),
        tolerance=args.tolerance / 100, anyway=args.anyway,
    )  # fmt: skip
    if args.json:
        print_json(found)
    else:
        _print(found)
    for text in found["doubts"]:
        print(f"edgeface: warning: {text}", file=sys.stderr)
    return SLOWER if found["slower"] or found["lost"] else 0


def _print(found: Mapping[str, Any]) -> None:
    print("\n".join(f"not the same: {text}" for text in found["differs"]) or "same setting")
    names = list(dict.fromkeys(row["configuration"] for row in found["rows"]))
    for name in names:
        rows = [_cells(row) for row in found["rows"] if row["configuration"] == name]
        print(name)
        print_rows([["", "A p50 ms", "B p50 ms", "B over A", "95 % interval", ""], *rows])
    for text in found["lost"]:
        print(f"LOST: {text}")
    tolerance = f"{found['tolerance'] * 100:g} %"
    for name in found["slower"]:
        print(f"SLOWER: {name}, beyond the noise and by more than {tolerance}")
    if not found["slower"] and not found["lost"]:
        print(f"nothing slower beyond the noise and by more than {tolerance}")


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["stage"],
        f"{row['first_p50_ms']:.3f}",
        f"{row['second_p50_ms']:.3f}",
        f"{row['value']:.3f}",
        f"{row['low']:.3f} to {row['high']:.3f}",
        row["word"],
    ]


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value:g} is not between 0 and 1000")
    return value
