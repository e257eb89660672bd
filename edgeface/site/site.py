"""A whole site, opened from site.toml: its parts, and the thread that does its chores."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import psycopg

import edgeface
from edgeface.configured import open_bundle
from edgeface.door.audit import AuditKey, AuditSettings, Build
from edgeface.door.webhook_post import Target
from edgeface.errors import AuditError, SiteError
from edgeface.pipeline import Pipeline
from edgeface.site.acts import Acts
from edgeface.site.changes import Changes
from edgeface.site.collector import Collector
from edgeface.site.config import SiteConfig
from edgeface.site.database import Database
from edgeface.site.doors import Doors
from edgeface.site.events import Events
from edgeface.site.events_arrival import Notice
from edgeface.site.people import People
from edgeface.site.retention import BY, Gone, Retention
from edgeface.site.rollout import Rollouts
from edgeface.site.rules import SiteRules
from edgeface.site.session import Sessions
from edgeface.site.site_certificate import certificate_problem
from edgeface.site.site_webhook import SiteWebhook
from edgeface.site.token import Tokens
from edgeface.site.users import Users
from edgeface.site.users_guess import Guesses
from edgeface.site.users_secret import read_site_key
from edgeface.site.watch import Watch

_TICK_S = 10.0
_RETENTION_S = 3600.0
_EMBEDDING = 512


class Site:
    """An open site; threads share it. `close` it, or use it as a context manager.

    Attributes
    ----------
    config
        Its site.toml.
    pipeline
        What makes templates of photos.
    people, rules, doors, changes, events, rollouts, retention, watch
        As their modules say.
    users, sessions, guesses, tokens, acts
        Who may use the console and the API, and what was done.

    Raises
    ------
    SiteError, BundleError, AuditError
        A part cannot be opened; those opened before it are closed.
    """

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        with ExitStack() as opened:
            self.pipeline = opened.enter_context(_pipeline(config))
            most = config.table("database").get("connections", 20)
            self.database = opened.enter_context(Database(config.conninfo, most=most))
            self.acts = opened.enter_context(_acts(config, self.pipeline))
            self._open_parts(opened)
            self._opened = opened.pop_all()

    def _open_parts(self, opened: ExitStack) -> None:
        database, bundle = self.database, self.pipeline.bundle
        key = read_site_key(self.config.file(self.config.tables["key"]))
        self.users = Users(database, key=key, site=self.config.name)
        self.sessions, self.tokens = Sessions(database), Tokens(database)
        self.guesses = Guesses(database)
        self.people = People(database, model_id=bundle.model_id, dim=_EMBEDDING)
        self.rules, self.doors = SiteRules(database), Doors(database)
        self.changes = Changes(self.people, self.rules, self.doors)
        self.events = Events(database)
        rollouts = self.config.table("rollouts").get("folder", "rollouts")
        self.rollouts = Rollouts(database, self.config.base / rollouts)
        self.retention = Retention(database, forget_events=self.events.forget)
        self.watch = opened.enter_context(Watch(database))
        self._collector = opened.enter_context(self._collect(key))
        self._webhook = opened.enter_context(self._tell())
        self._ended = threading.Event()
        self._retained_at = time.monotonic()
        self._chores_fault: str | None = None
        thread = threading.Thread(target=self._chores, name="site chores", daemon=True)
        thread.start()
        opened.callback(thread.join, 5)
        opened.callback(self._ended.set)

    def _collect(self, key: bytes) -> AbstractContextManager[Collector | None]:
        table = self.config.table("mqtt")
        if not table:
            return nullcontext()
        return Collector.from_settings(table, base=self.config.base, events=self.events, key=key)

    def _tell(self) -> AbstractContextManager[SiteWebhook | None]:
        table, config = self.config.table("webhook"), self.config
        if not table:
            return nullcontext()
        target = Target.of(
            table["url"],
            ca_file=config.file(table["ca_file"]) if "ca_file" in table else None,
            allow_plain_http=table.get("allow_plain_http", False),
        )
        secret = config.secret(table["secret_file"]).strip()
        return SiteWebhook(
            self.database, self.events, self.watch, url=table["url"], target=target, secret=secret
        )

    def health(self) -> dict[str, Any]:
        """Return how the site is; ``faults`` is empty when all is well."""
        bundle = self.pipeline.bundle
        parts = [part for part in (self._collector, self._webhook) if part]
        certificate = self.config.table("server").get("certificate")
        expiry = certificate and certificate_problem(self.config.file(certificate))
        problems = (self._chores_fault, expiry, *(part.problem() for part in parts))
        return {
            "edgeface": edgeface.__version__,
            "bundle": f"{bundle.name} {bundle.version}",
            "model_id": bundle.model_id,
            "doors": len(self.doors.all()),
            "faults": [problem for problem in problems if problem],
        }

    def _retain(self) -> None:
        gone = self.retention.run()
        if gone != Gone(0, (), 0):
            detail = f"{gone.events} events, {len(gone.people)} people, {gone.changes} changes"
            self.acts.write("let go of by the retention rules", by=BY, detail=detail)

    def close(self) -> None:
        """Close every part; closing twice is harmless."""
        self._opened.close()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _chores(self) -> None:
        while not self._ended.wait(_TICK_S):
            try:
                self._do_chores()
                self._chores_fault = None
            except (SiteError, AuditError, psycopg.Error) as error:  # the next turn tries anew
                self._chores_fault = str(error)

    def _do_chores(self) -> None:
        self.acts.take_over(self.database)
        self.acts.tick()
        for failure in self.rollouts.failures():
            self.events.notice(Notice(failure.door, "rollout", failure.text, failure.mark))
        if time.monotonic() - self._retained_at >= _RETENTION_S:
            self._retain()  # where it fails, the next turn tries anew and says so
            self._retained_at = time.monotonic()


def site_people(config: SiteConfig, database: Database) -> People:
    """Return a site's people, without opening anything else of it.

    Raises ``BundleError``, ``SiteError``, as `Site`.
    """
    bundle = open_bundle(
        _bundle_file(config, "file"), public_key=_bundle_file(config, "public_key")
    )
    return People(database, model_id=bundle.model_id, dim=_EMBEDDING)


def _bundle_file(config: SiteConfig, name: str) -> Path | None:
    table = config.table("bundle")
    return config.base / table[name] if name in table else None


def _pipeline(config: SiteConfig) -> Pipeline:
    table = config.table("bundle")
    return Pipeline.open(
        _bundle_file(config, "file"),
        public_key=_bundle_file(config, "public_key"),
        runtime=table.get("runtime"),
        variant=table.get("variant"),
        threads=table.get("threads"),
    )


def _acts(config: SiteConfig, pipeline: Pipeline) -> Acts:
    bundle = pipeline.bundle
    settings = AuditSettings.from_settings(config.tables["audit"], base=Path(config.base))
    build = Build(f"{bundle.name} {bundle.version}", bundle.model_id, config.digest)
    return Acts(settings.path, key=AuditKey.load(settings.key), build=build, limits=settings.limits)
