"""The door's audit log on its way to the site, as a part of the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeface.agent.part import Part
from edgeface.agent.ship import Shipper
from edgeface.errors import AuditError


class LogPart(Part):
    """Tells the shipper what the site has, and the site what it has not."""

    name = "log"

    def __init__(self, shipper: Shipper) -> None:
        self._shipper = shipper

    def start(self) -> None:
        self._shipper.start()

    def take(self, answer: Mapping[str, Any]) -> None:
        self._shipper.received(answer["received"])

    def waits(self) -> bool:
        return self.status().get("unsent", 0) > 0

    def status(self) -> Mapping[str, Any]:
        try:
            return {"unsent": self._shipper.unsent()}
        except AuditError:  # `problem` says why
            return {}

    def problem(self) -> str | None:
        return self._shipper.problem()

    def close(self) -> None:
        self._shipper.close()
