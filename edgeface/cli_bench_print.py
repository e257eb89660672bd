"""What ``edgeface bench`` prints of its reports: text, JSON or rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from edgeface.bench import text
from edgeface.bench.rows import comparison_records, print_csv, report_records
from edgeface.cli_output import print_json, print_rows


def report(found: Mapping[str, Any], args: argparse.Namespace) -> int:
    """Print a report as the options say; 0, or 1 where nothing could be measured."""
    if args.json == "-":
        print_json(found)
    elif args.csv:
        board = args.board or found["machine"]["board"]
        print_csv(report_records(found), found["setting"], board=board, commit=args.commit)
    else:
        _print_report(found)
        for file in filter(None, (args.json, args.html)):
            print(f"written: {file}")
    for one in found["findings"]:  # to stderr: they must not be lost in a pipe
        if one["level"] == "warning":
            print(f"edgeface: warning: {one['text']}", file=sys.stderr)
    if found["fastest"] is None:
        reasons = "; ".join(text.left_out(found))
        print(f"edgeface: nothing could be measured: {reasons}", file=sys.stderr)
        return 1
    return 0


def comparison(found: Mapping[str, Any], args: argparse.Namespace) -> None:
    """Print what --compare measured."""
    setting = found["setting"]
    if args.json == "-":
        print_json(found)
    elif args.csv:
        board = args.board or setting["machine"]
        print_csv(comparison_records(found), setting, board=board, commit=args.commit)
    else:
        _print_comparison(found)
        if args.json:
            print(f"written: {args.json}")


def setting_line(found: Mapping[str, Any]) -> str:
    """Return one line: the bundle and what runs it."""
    setting = found["setting"]
    runtime = ", ".join(f"{name} {number}" for name, number in setting["runtime"].items())
    return f"{setting['bundle']}, model {setting['model_id']}; {setting['machine']}, {runtime}"


def _print_report(found: Mapping[str, Any]) -> None:
    method, machine = found["method"], found["machine"]
    print(setting_line(found))
    cpu = machine["cpu"] or ", ".join(f"{len(c['cpus'])} {c['name']}" for c in machine["clusters"])
    print(
        f"{machine['board']}: {cpu}; native code for {found['setting']['isa']}; processes: "
        f"{method['processes']}, after {method['warmup']} rounds to warm up"
    )
    entries = [one for one in found["configurations"] if one["status"] == "measured"]
    if found["kind"] == "sweep" and entries:
        print_rows(text.sweep_rows(found))
    elif entries:
        print(f"{entries[0]['name']}, {entries[0]['runs']} rounds")
        print_rows(text.stage_rows(entries[0]))
        print("\n".join(text.summary(entries[0])))
    if "sustained" in found:
        print(text.drift_line(found))
    notes = [one["text"] for one in found["findings"] if one["level"] == "note"]
    print("\n".join([*text.left_out(found), *text.condition_lines(found), *notes]))


def _print_comparison(found: Mapping[str, Any]) -> None:
    setting = found["setting"]
    print(setting_line(found))
    print(
        f"{found['runs']} rounds after {found['warmup']} to warm up, batch {found['batch']}, "
        f"{setting['threads']} thread(s), native code for {setting['isa']}"
    )
    print_rows(text.stage_rows(found))
    ratio = found["ratio"]
    first, second = ratio["of"]
    print(
        f"{first} takes {ratio['value']:.3f} of {second}'s time (95 % interval {ratio['low']:.3f} "
        f"to {ratio['high']:.3f}; {first} first {ratio['when_first']:.3f}, {second} first "
        f"{ratio['when_second']:.3f})"
    )
    print(f"least cosine between their embeddings: {found['cosine']:.4f}")
    if found["faster"] is None:
        print("neither is faster here: the difference is within the noise of this run")
    else:
        print(f"faster here: {found['faster']} (milliseconds vary with the hour, ratios little)")
