"""What is fuzzed: a parser of strangers' bytes each, and inputs to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.fuzz import (
    audit_target,
    config_target,
    file_target,
    line_target,
    osdp_target,
    webhook_target,
)

FOUND = Path(__file__).parent / "found"
"""Inputs that once broke a target: ``found/TARGET/…``; they are replayed for ever."""


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes
    ----------
    seeds
        Returns inputs that it takes, or nearly.
    check
        Called with any bytes: raises nothing where the parser does as it says.
    """

    seeds: Callable[[], Sequence[bytes]]
    check: Callable[[bytes], None]


TARGETS = {
    "audit": Target(audit_target.seeds, audit_target.check),
    "bundle": Target(file_target.bundle_seeds, file_target.check_bundle),
    "config": Target(config_target.config_seeds, config_target.check_config),
    "gallery": Target(file_target.gallery_seeds, file_target.check_gallery),
    "osdp": Target(osdp_target.osdp_seeds, osdp_target.check_osdp),
    "webhook": Target(webhook_target.webhook_seeds, webhook_target.check_webhook),
    "wiegand": Target(line_target.wiegand_seeds, line_target.check_wiegand),
}


def inputs(name: str) -> list[bytes]:
    """Seeds of a target, and what was found."""
    found = sorted((FOUND / name).glob("*"))
    return [*TARGETS[name].seeds(), *(file.read_bytes() for file in found)]
