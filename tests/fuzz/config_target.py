"""door.toml: whatever it says, the door's parts take it or refuse it in their own words."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgeface.bundle import Bundle
from edgeface.door import challenge, clock, feed, gate, track
from edgeface.door.audit_settings import AuditSettings
from edgeface.door.camera import SETTINGS as CAMERA_SETTINGS
from edgeface.door.camera_settings import read_settings
from edgeface.door.rules import Rules
from edgeface.errors import EdgeFaceError
from edgeface.schema import first_problem
from edgeface.toml import read_toml
from tests.fuzz.places import scratch

SEED = b"""
[camera]
source = "/dev/video0"
rotate = 90
max_age_s = 0.5
[liveness]
policy = "passive+challenge"
[decision]
frames = 3
of = 5
time_zone = "Europe/Berlin"
holidays = ["2030-12-25"]
[schedules.office]
days = ["mon", "fri"]
from = "08:00"
to = "18:00"
[groups.staff]
schedules = ["office"]
two_person = true
[groups.default]
[audit]
path = "log"
key = "audit.pem"
keep_days = 90
[clock]
trust_clock = true
[track]
[gate]
min_eye_distance_px = 60
"""
_PARTS = {"clock": clock, "track": track, "gate": gate, "challenge": challenge, "feed": feed}


@cache
def thresholds() -> dict:
    """The default bundle's."""
    return Bundle.open().manifest["thresholds"]


def config_seeds() -> tuple[bytes, ...]:
    """A file with every table, and each table alone."""
    tables = SEED.split(b"\n[")
    return SEED, *(b"[" + table for table in tables[1:]), b""


def check_config(data: bytes) -> None:
    """Only errors of edgeface, and of a value out of range, come out."""
    path = scratch("config") / "door.toml"
    path.write_bytes(data)
    try:
        settings = read_toml(path) or {}
    except EdgeFaceError:
        return
    attempts = [
        lambda: Rules.from_settings(
            settings, base=path.parent, thresholds=thresholds(), live_threshold=0.5
        ),
        lambda: AuditSettings.from_settings(_table(settings, "audit"), base=path.parent),
        lambda: _camera(_table(settings, "camera")),
        *(lambda name=name: _read(name, _table(settings, name), path.parent) for name in _PARTS),
    ]
    for attempt in attempts:
        try:
            attempt()
        except EdgeFaceError:
            continue


def _table(settings: dict, name: str) -> dict:
    table = settings.get(name, {})
    return table if isinstance(table, dict) else {}


def _camera(table: dict) -> None:
    if first_problem(table, CAMERA_SETTINGS):
        return
    try:
        read_settings(table)
    except ValueError:  # settings that contradict each other, as it says
        return


def _read(name: str, table: dict, base: Path) -> None:
    """A part that asks nothing but that its schema was looked at, as the door's config does."""
    part = _PARTS[name]
    if first_problem(table, part.SETTINGS):
        return
    makers = [value for value in vars(part).values() if hasattr(value, "from_settings")]
    for maker in makers:
        if maker.__module__ == part.__name__:
            try:
                maker.from_settings(table, base=base)
            except ValueError:
                continue
