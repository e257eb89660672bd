"""An agent.toml's parts, opened together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edgeface.agent.agent import Agent
from edgeface.agent.config import AgentConfig, door_of, rules_file
from edgeface.agent.fleet import Fleet
from edgeface.agent.fleet_desk import FleetDesk
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.agent.link import SiteLink, read_token
from edgeface.agent.live import LiveView, poster
from edgeface.agent.part import Part
from edgeface.agent.part_log import LogPart
from edgeface.agent.replica import Replica
from edgeface.agent.rules_file import RulesFile
from edgeface.agent.ship import Shipper
from edgeface.agent.status import DoorStatus, ask_window
from edgeface.bundle import Bundle
from edgeface.configured import open_bundle
from edgeface.door.clock import Clock
from edgeface.errors import SiteError
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey


def open_agent(config: AgentConfig) -> Agent:
    """Open what an agent needs; the site need not answer.

    Raises
    ------
    EdgeFaceError
        A setting, the token, the bundle or the gallery cannot be used.
    """
    read_token(config.token_file)
    door = config.door
    table = door.table("bundle")
    files = {name: door.base / table[name] for name in ("file", "public_key") if name in table}
    bundle = open_bundle(files.get("file"), public_key=files.get("public_key"))
    state = config.file("state", "state")
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SiteError(f"state: {state}: {error.strerror}: name a folder to write to") from error
    return Agent(
        config,
        open_replica=partial(_open_replica, config, bundle),
        new_link=partial(new_link, config),
        status=DoorStatus(
            bundle,
            clock=Clock.from_settings(door.table("clock"), base=door.base),
            window=_window(config),
        ),
        parts=lambda agent: tuple(_parts(config, agent)),
    )


def _parts(config: AgentConfig, agent: Agent) -> Iterator[Part]:
    yield _desk(config)
    window = _window(config)
    if window is not None:
        yield LiveView(window, post=poster(new_link(config)))
    if "mqtt" in config.tables:
        yield LogPart(
            Shipper.from_settings(
                config.tables["mqtt"],
                base=config.base,
                door=config.door,
                uids=lambda: agent.replica.uids(),
            )
        )


def new_link(config: AgentConfig) -> SiteLink:
    """Return another connection to the site."""
    return SiteLink(
        config.tables["site"],
        ca_file=config.file("ca_file"),
        token=lambda: read_token(config.token_file),
    )


def open_fleet(config: AgentConfig) -> Fleet:
    """Return what does the roll-outs' steps, not begun.

    Raises
    ------
    SiteError
        agent.toml has no [fleet], or a setting or the token cannot be used.
    """
    settings = _fleet_settings(config)
    if settings is None:
        raise SiteError(f"{config.path} has no [fleet]: docs/site-fleet.md says what goes there")
    read_token(config.token_file)
    return Fleet(settings, link=new_link(config), health=partial(_health, _window(config)))


def order_file(config: AgentConfig) -> Path:
    """Return where the agent hands roll-outs on."""
    return config.file("state", "state") / "rollout.json"


def _desk(config: AgentConfig) -> FleetDesk:
    settings = _fleet_settings(config)
    return FleetDesk(order_file(config), state=None if settings is None else settings.state)


def _fleet_settings(config: AgentConfig) -> FleetSettings | None:
    table = config.tables.get("fleet")
    if table is None:
        return None
    return FleetSettings.from_settings(table, base=config.base, door_config=config.door.path)


def _health(window: Path | None) -> dict[str, Any] | None:
    """Return how the running door says that it is; None where it says nothing."""
    try:
        return None if window is None else {"faults": {}, **ask_window(window)}
    except SiteError:
        return None


def _open_replica(config: AgentConfig, bundle: Bundle) -> Replica:
    door, dim = door_of(config), bundle.stage("embedder")["dim"]
    settings = door.table("gallery")
    key = settings.get("key")
    gallery = Gallery.open(
        door.base / settings["path"],
        model_id=bundle.model_id,
        dim=dim,
        key=None if key is None else GalleryKey.from_settings(key, base=door.base),
    )
    local = config.tables.get("local_enrolment", True)
    return Replica(gallery, dim=dim, rules=RulesFile(rules_file(door)), local=local)


def _window(config: AgentConfig) -> Path | None:
    table = config.tables.get("window")
    return None if table is None else config.base / table["socket"]
