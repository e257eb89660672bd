"""A door.toml's parts, opened in order and closed together."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Callable

from edgeface.door.actuator import Actuator
from edgeface.door.audit import AuditLog, Build
from edgeface.door.camera import Camera
from edgeface.door.challenge import Challenge
from edgeface.door.clock import Clock
from edgeface.door.config import ACTUATORS, DoorConfig
from edgeface.door.engine import Engine
from edgeface.door.event import Maintenance
from edgeface.door.feed import Feed
from edgeface.door.gate import Gate
from edgeface.door.notify import Notifier
from edgeface.door.perceive import Perception
from edgeface.door.rules import Rules
from edgeface.door.rules_site import SiteRules
from edgeface.door.run import Door
from edgeface.door.track import Tracker
from edgeface.door.window import Window, window_of
from edgeface.errors import DoorError
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from edgeface.pipeline import Pipeline

_CHECK_S = 10.0  # for which a camera may keep a check waiting: a stream is slow to open


@contextmanager
def open_door(
    config: DoorConfig, *, actuators: Sequence[Actuator] = (), check: bool = False
) -> Iterator[Door]:
    """Open everything that a door needs, its log first, its actuators last; close all of it.

    Parameters
    ----------
    config
        Of `edgeface.door.config.read_config`.
    actuators
        More of them, such as a `edgeface.door.callback.Callback`; they are closed too.
    check
        True: to see whether everything works. No face opens it, and the camera is waited for.

    Raises
    ------
    EdgeFaceError
        A part that cannot be opened. Nothing was released.
    """
    with ExitStack() as opened:
        enter = opened.enter_context
        pipeline = enter(open_models(config))
        clock = Clock.from_settings(config.table("clock"), base=config.base)
        audit = enter(open_log(config, pipeline, clock))
        gallery = enter(open_people(config, pipeline))
        parts = perceive_and_decide(config, pipeline, gallery)
        camera = enter(open_camera(config))
        acting = [enter(actuator) for actuator in (*actuators, *_actuators(config))]
        window = enter(_window(config))
        notifier = enter(Notifier.from_environment())
        if check:
            parts["engine"].step(Maintenance(clock.moment(), on=True, by="check"))
            _wait_for(camera)
        yield Door(
            camera=camera,
            clock=clock,
            gallery=gallery,
            actuators=acting,
            audit=audit,
            notifier=notifier,
            window=window,
            **parts,
        )


def _wait_for(camera: Camera) -> None:
    """Return when the camera has given a picture or says what is wrong, or after a time."""
    until = time.monotonic() + _CHECK_S
    while camera.state == "starting" and not camera.fault() and time.monotonic() < until:
        time.sleep(0.05)


def open_models(config: DoorConfig) -> Pipeline:
    """Open the bundle that [bundle] names, with liveness where the policy needs it."""
    settings = dict(config.table("bundle"))
    for name in ("file", "public_key"):
        if name in settings:
            settings[name] = config.base / settings[name]
    return Pipeline.open(settings.pop("file", None), liveness=_needs_liveness(config), **settings)


def open_people(config: DoorConfig, pipeline: Pipeline) -> Gallery:
    """Open the gallery that [gallery] names; it must be there."""
    settings = config.table("gallery")
    key = settings.get("key")
    return Gallery.open(
        config.base / settings["path"],
        model_id=pipeline.bundle.model_id,
        dim=pipeline.bundle.stage("embedder")["dim"],
        create=False,
        key=None if key is None else GalleryKey.from_settings(key, base=config.base),
    )


def open_camera(config: DoorConfig, *, clip: str | None = None) -> Camera:
    """Open the camera of [camera]; or, with its settings, a clip whose every frame is seen."""
    settings = dict(config.table("camera"))
    with settings_of(config):
        if clip is None:
            return Camera.from_settings(settings, base=config.base)
        return Camera.from_settings({**settings, "source": clip}, base=config.base, realtime=False)


@contextmanager
def settings_of(config: DoorConfig) -> Iterator[None]:
    """Turn a part's word on its settings, a ValueError, into ours, which names the file."""
    try:
        yield
    except ValueError as error:
        raise DoorError(f"{config.path}: {error}") from error


def perceive_and_decide(
    config: DoorConfig, pipeline: Pipeline, gallery: Gallery, *, draw: random.Random | None = None
) -> dict[str, Any]:
    """Return the perception, the engine and the site's rules of a door, as keywords of `Door`.

    `draw` draws the movements that are asked for; None for the system's randomness.
    """
    base = config.base
    make = partial(
        Rules.from_settings,
        base=base,
        thresholds=pipeline.bundle.manifest["thresholds"],
        live_threshold=pipeline.live_threshold if _needs_liveness(config) else None,
    )
    rules = make(config.tables)
    engine = Engine(rules)
    with settings_of(config):
        perception = Perception(
            pipeline,
            gallery,
            threshold=lambda: engine.threshold,
            tracker=Tracker.from_settings(config.table("gate", "track"), base=base),
            gate=Gate.from_settings(config.table("gate", "quality"), base=base),
            feed=Feed.from_settings(config.table("liveness", "feed"), base=base),
            challenge=_challenge(config, draw) if rules.policy == "passive+challenge" else None,
            liveness=_needs_liveness(config),
            gone_after_s=rules.gone_after_s,
        )
    return {
        "perception": perception,
        "engine": engine,
        "site_rules": _site_rules(config, make),
    }


def _site_rules(config: DoorConfig, make: Callable[[Mapping[str, Any]], Rules]) -> SiteRules | None:
    if "site_rules" not in config.tables:
        return None
    return SiteRules(config.base / config.tables["site_rules"], own=config.tables, make=make)


def _challenge(config: DoorConfig, draw: random.Random | None) -> Challenge:
    mirrored = config.table("camera").get("mirror", False)
    settings = {"mirrored": mirrored, **config.table("liveness", "challenge")}
    return Challenge.from_settings(settings, base=config.base, draw=draw)


def _needs_liveness(config: DoorConfig) -> bool:
    return config.table("liveness").get("policy", "passive") != "none"


def open_log(config: DoorConfig, pipeline: Pipeline, clock: Clock) -> AuditLog:
    bundle = pipeline.bundle
    manifest = bundle.manifest
    build = Build(f"{manifest['name']} {manifest['version']}", bundle.model_id, config.digest)
    return AuditLog.from_settings(
        config.table("audit"),
        base=config.base,
        door=config.name,
        build=build,
        now=clock.moment,
        quality=clock.quality,
    )


def _window(config: DoorConfig) -> AbstractContextManager[Window | None]:
    table = config.table("window")
    return window_of(table, base=config.base) if table else nullcontext()


def _actuators(config: DoorConfig) -> Iterator[Actuator]:
    for table in config.tables.get("actuators", []):
        kind, schema = ACTUATORS[table["kind"]]
        named = {"door": config.name} if "door" in schema["properties"] else {}
        with settings_of(config):
            actuator = kind.from_settings({**named, **table}, base=config.base)
        yield actuator
