"""A roll-out's step, as the site asks for it and a door tells of it; and what "healthy" means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("kit", "config")
ACTIONS = ("take", "back")
_NUMBER = {"type": "integer", "minimum": 0}
_ACTION = {"enum": list(ACTIONS)}

TASK = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rollout", "action", "kind", "sha256", "bytes"],
    "properties": {
        "rollout": _NUMBER,
        "action": _ACTION,
        "kind": {"enum": list(KINDS)},
        "sha256": {"type": "string", "pattern": "[0-9a-f]{64}"},
        "bytes": _NUMBER,
    },
}
"""``task`` of `edgeface.site.wire.CHANGES`. "take": fetch the file, which is at `file_path`,
install it, see whether the door is healthy with it; "back": what was taken is to go again."""

TASK_REPORT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rollout", "action", "state", "text"],
    "properties": {
        "rollout": _NUMBER,
        "action": _ACTION,
        "state": {"enum": ["working", "done", "failed"]},
        "text": {"type": "string", "maxLength": 500},
    },
}
"""``task`` of `edgeface.site.wire.STATUS`. A door that failed has gone back to what it had."""

SLOWER = 1.5
"""So many times the latency from before is not healthy any more."""


def file_path(rollout: int) -> str:
    """Return where a door finds a roll-out's file, below /api/v1."""
    return f"/door/rollouts/{rollout}/file"


def worse(before: Mapping[str, Any], now: Mapping[str, Any] | None) -> str | None:
    """Say in what a door is worse than before, or None; how fast it is, is not looked at.

    Parameters
    ----------
    before, now
        As `edgeface.site.wire.STATUS`, of which ``faults`` must be there; ``now`` is None where
        the door does not answer.
    """
    if now is None:
        return "the door does not answer"
    new = sorted(set(now["faults"]) - set(before["faults"]))
    if new:
        return f"new fault: {new[0]}: {now['faults'][new[0]]}"
    if now.get("model_id") != before.get("model_id"):
        return f"its model is {now.get('model_id')}, expected {before.get('model_id')}"
    return None


def slower(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say that a door is slower than before, or None; also where its latency is not known."""
    was, is_now = before.get("latency_p95_ms"), now.get("latency_p95_ms")
    if was and is_now and is_now > SLOWER * was:
        return f"latency p95 {is_now:.0f} ms, {was:.0f} ms before: expected at most x {SLOWER:g}"
    return None
