"""``edgeface doctor``: what is wrong with this machine, and what to do."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from edgeface.cli_output import print_json
from edgeface.doctor.examine import examine
from edgeface.doctor.finding import FAIL, WARN

_EPILOG = """\
Looks at board, NPU driver, library and permissions, governors, heat, memory, disk, clock, cameras,
packages, gallery, bundle and settings, runs the self-test, and compares every runtime that is here
with the CPU. It changes nothing.

examples:
  edgeface doctor
  edgeface doctor --bundle door.efb --json

exit codes: 0 nothing fails (there may be warnings), 1 something does
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Examine, print, and return 0 or 1."""
    findings = examine(args.bundle, public_key=args.public_key)
    failed = sum(finding.status == FAIL for finding in findings)
    if args.json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
        return 1 if failed else 0
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        print(f"{finding.status:<4}  {finding.check:<{width}}  {finding.found}")
        if finding.remedy:
            print(f"{'':<4}  {'':<{width}}  → {finding.remedy}")
    warned = sum(finding.status == WARN for finding in findings)
    print(f"{len(findings)} checks: {failed} failed, {warned} to look at")
    return 1 if failed else 0
