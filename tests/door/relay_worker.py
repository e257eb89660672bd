"""A door process with one actuator, which tests command, stop and kill.

``python -m tests.door.relay_worker TABLE`` polls its actuator like a door's loop does and obeys
lines of JSON: {"open": seconds, "card": [facility, number]}, {"exit": seconds}, {"deny": 1},
{"lock": 1}, {"close": 1}, {"ask": 1}. Each is answered with what is known then.
"""

from __future__ import annotations

import json
import select
import sys
import time
from pathlib import Path
from typing import Any

from edgeface.door.event import Card, Decision, Event, Moment, Reason
from edgeface.door.relay import Relay
from edgeface.door.wiegand import Wiegand
from edgeface.errors import ActuatorError

ROUND_S = 0.02


def main(table: dict[str, Any]) -> None:
    """Serve commands until standard input ends."""
    kind = {"relay": Relay, "wiegand": Wiegand}[table["kind"]]
    try:
        actuator = kind.from_settings(table, base=Path("/"))
    except ActuatorError as error:
        say(error=str(error))
        return
    say()
    events: list[str] = []
    while True:
        events += [_name(event) for event in actuator.poll(now())]
        if not select.select([sys.stdin], [], [], ROUND_S)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        answer = _obey(actuator, json.loads(line))
        say(**answer, events=events, fault=actuator.fault(), pid=guard_pid(actuator))
        if "closed" in answer:
            return
        events = []


def say(**answer: Any) -> None:
    """Print an answer, JSON in one line."""
    sys.stdout.write(json.dumps({"error": None, **answer}) + "\n")
    sys.stdout.flush()


def now() -> Moment:
    """The moment, by this machine's clock."""
    return Moment(monotonic=time.monotonic(), utc=None)


def guard_pid(actuator: Relay | Wiegand) -> int | None:
    """The guard's process id, which the tests stop and kill."""
    process = actuator._guard._process
    return process.pid if process else None


def _name(event: Event) -> str:
    state = [str(getattr(event, name)) for name in ("open", "active", "on") if hasattr(event, name)]
    return " ".join([type(event).__name__, *state])


def _obey(actuator: Relay | Wiegand, command: dict[str, Any]) -> dict[str, Any]:
    begin = time.monotonic()
    try:
        if "open" in command:
            actuator.handle(_decision(command))
        elif "exit" in command:
            seconds = command["exit"]
            actuator.handle(Decision(now(), True, Reason.EXIT_REQUEST, pulse_s=seconds))
        elif "deny" in command:
            actuator.handle(Decision(now(), opens=False, reason=Reason.UNKNOWN))
        elif "lock" in command:
            actuator.lock()
        elif "close" in command:
            actuator.close()
            actuator.close()
            return {"closed": True}
    except ActuatorError as error:
        return {"error": str(error), "begin": begin}
    if isinstance(actuator, Wiegand):
        return {"unsent": actuator.unsent, "frame": actuator.last_frame_us}
    return {"begin": begin}


def _decision(command: dict[str, Any]) -> Decision:
    card = Card(*command["card"]) if command.get("card") else None
    return Decision(now(), opens=True, reason=Reason.RECOGNISED, card=card, pulse_s=command["open"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
