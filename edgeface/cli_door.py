"""``edgeface door``: run a door, or see what it would decide."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from edgeface.cli_output import UsageError, print_json, score_text
from edgeface.door.assemble import open_door
from edgeface.door.config import DoorConfig, read_config
from edgeface.door.event import Alarm, Decision, Output
from edgeface.door.new import make_door
from edgeface.door.replay import simulate
from edgeface.stop_signal import stop_by

_CONFIG = "/etc/edgeface/door.toml"
_OF_BUNDLE = ("bundle", "public_key", "runtime", "variant")
_EPILOG = """\
The door opens for nobody while a part of it fails, and says so. docs/door.md has a door.toml to
begin with, and what each setting means.

examples:
  edgeface door --new front                            front/door.toml to edit, and its keys
  edgeface door                                        with /etc/edgeface/door.toml, until stopped
  edgeface door --config door.toml --check             open everything, release nothing, and stop
  edgeface door --config door.toml --simulate clip.mp4 what would it have decided?

exit codes: 0 done (simulate: it opened), 3 it did not open (simulate), 1 error, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=_CONFIG,
        help=f"the door's settings (default: {_CONFIG})",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--simulate", metavar="CLIP", help="replay a video file or a folder of photos; print"
    )
    what.add_argument("--new", metavar="FOLDER", help="write settings to edit, and keys; stop")
    what.add_argument("--check", action="store_true", help="open everything, say so, and stop")
    parser.add_argument(
        "--begins",
        metavar="TIME",
        type=_aware,
        help="when the clip was taken, as 2026-01-31T08:00:00+01:00 (default: now)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the door that the arguments name."""
    _refuse_options(args)
    if args.new:
        for path in make_door(args.new):
            print(path)
        return 0
    config = read_config(args.config)
    if args.simulate:
        return _simulate(config, args)
    with open_door(config, check=args.check) as door:
        if args.check:
            door.turn()
            print(f"{config.name}: {door.status()}")
            return 1 if door.faults else 0
        stop = threading.Event()
        with stop_by(stop.set):
            print(f"edgeface: door {config.name} begins; Ctrl-C ends it", file=sys.stderr)
            door.run(stop=stop.is_set)
    return 0


def _refuse_options(args: argparse.Namespace) -> None:
    given = [name for name in _OF_BUNDLE if getattr(args, name) is not None]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"{option}: a door takes this from table [bundle] of its door.toml")
    if args.begins and not args.simulate:
        raise UsageError("--begins is for --simulate")


def _simulate(config: DoorConfig, args: argparse.Namespace) -> int:
    begins = args.begins or datetime.now(timezone.utc)
    outputs = simulate(config, args.simulate, begins=begins)
    found = list(_printed(outputs, as_json=args.json))
    if args.json:
        print_json([_figures(output) for output in found])
    return 0 if any(isinstance(output, Decision) and output.opens for output in found) else 3


def _printed(outputs: Iterable[Output], *, as_json: bool) -> Iterable[Output]:
    for output in outputs:
        if not as_json:
            print(f"{output.moment.monotonic:8.2f} s  {_text(output)}", flush=True)
        yield output


def _text(output: Output) -> str:
    if isinstance(output, Decision):
        return _decision_text(output)
    if isinstance(output, Alarm):
        state = "begins" if output.active else "ends"
        return " ".join(filter(None, ("alarm", output.kind, state, output.detail)))
    return f"asks visitor {output.track} for a challenge"


def _decision_text(decision: Decision) -> str:
    verdict = "open" if decision.opens else "deny"
    figures = [
        f"{name} {score_text(value)}"
        for name, value in (
            ("score", decision.score),
            ("lead", decision.lead),
            ("live", decision.live),
        )
        if value is not None
    ]
    words = (verdict, decision.reason.value, decision.person, *figures, decision.detail)
    return "  ".join(word for word in words if word)


def _figures(output: Output) -> dict[str, Any]:
    values = {key: value for key, value in vars(output).items() if key not in ("moment", "card")}
    if "reason" in values:
        values["reason"] = output.reason.value
    utc = output.moment.utc
    return {
        "what": type(output).__name__,
        "at_s": round(output.moment.monotonic, 3),
        "utc": utc and utc.isoformat(),
        **values,
    }


def _aware(text: str) -> datetime:
    try:
        begins = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if begins.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone; add one, as +00:00")
    return begins
