"""door.toml: whatever it says, it is taken or refused in the door's own words."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import edgeface.door
from edgeface.door.assemble import perceive_and_decide, settings_of
from edgeface.door.audit_settings import AuditSettings
from edgeface.door.camera_settings import read_settings
from edgeface.door.clock import Clock
from edgeface.door.config import DoorConfig, read_config
from edgeface.errors import EdgeFaceError
from edgeface.pipeline import Pipeline
from tests.fuzz.places import scratch

TEMPLATE = Path(edgeface.door.__file__).with_name("template.toml")
MORE = """
[clock]
trust_clock = true
[gate]
quality = { min_eye_distance_px = 60, region = [0, 0, 1, 1] }
track = { lost_after_s = 1 }
[groups.two]
schedule = "never"
two_people = true
"""


@cache
def pipeline() -> Pipeline:
    """The default bundle's models."""
    return Pipeline.open(liveness=True)


def config_seeds() -> tuple[bytes, ...]:
    """The template, all its lines used; more tables; each table alone."""
    whole = re.sub(r"(?m)^# ((\[|\w+ = ).*)$", r"\1", TEMPLATE.read_text()) + MORE
    tables = whole.split("\n[")
    return whole.encode(), *(f"[{table}".encode() for table in tables[1:]), b""


def check_config(data: bytes) -> None:
    """Only errors of edgeface come out."""
    path = scratch("config") / "door.toml"
    path.write_bytes(data)
    try:
        config = read_config(path)
        _use(config)
    except EdgeFaceError:
        return


def _use(config: DoorConfig) -> None:
    perceive_and_decide(config, pipeline(), gallery=None)
    AuditSettings.from_settings(config.table("audit"), base=config.base)
    with settings_of(config):
        read_settings(config.table("camera"))
        Clock.from_settings(config.table("clock"), base=config.base)
