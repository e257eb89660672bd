"""A door's copy of a small site, without a network between them: real gallery, real changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeface.agent.replica import Replica
from edgeface.agent.rules_file import RulesFile
from edgeface.errors import SiteUnavailableError
from edgeface.gallery import Gallery
from edgeface.site import wire
from tests.site.people import DIM, MODEL, SmallSite


class Copy:
    """A replica, and what goes between it and the site. `tools` is the gallery as others open it.

    `offline` cuts it off; `deaf` lets an edit arrive whose answer does not.
    """

    def __init__(self, site: SmallSite, name: str, folder: Path, *, local: bool = True) -> None:
        self.site, self.name, self.folder, self._local = site, name, folder, local
        self.offline = self.deaf = False
        self.replica = self._open()
        self.tools = self.open_gallery()
        self.asked: list[tuple[str, int]] = []
        self.told: list[dict[str, Any]] = []

    @property
    def rules(self) -> Path:
        return self.folder / "site-rules.json"

    @property
    def people(self) -> dict[str, Any]:
        return {person.name: person for person in self.tools.people()}

    def open_gallery(self) -> Gallery:
        return Gallery.open(self.folder / "gallery.db", model_id=MODEL, dim=DIM)

    def ask(self, *, limit: int = 200) -> dict[str, Any]:
        """The site's answer to what the replica asks."""
        epoch, after = self.replica.cursor()
        self.asked.append((epoch, after))
        answer = self.site.changes.since(self.name, epoch=epoch, after=after, limit=limit)
        return wire.checked({"received": {}, "task": None, **answer}, wire.CHANGES, what="changes")

    def tell(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send an edit to the site."""
        if self.offline:
            raise SiteUnavailableError("nobody there")
        self.told.append(wire.checked(dict(message), wire.EDIT, what="edit"))
        answer = self.site.changes.edit(self.name, message)
        if self.deaf:
            raise SiteUnavailableError("cut off")
        return wire.checked(answer, wire.EDITED, what="answer to an edit")

    def sync(self, *, limit: int = 200) -> int:
        """Exchange until there is nothing new, as the agent does; return how often it asked."""
        for turns in range(1, 50):
            sent = self.replica.sent
            answer = self.ask(limit=limit)
            self.replica.send(self.tell)
            taken = self.replica.sent == sent and self.replica.take(answer)
            if taken and not answer["more"] and self.replica.cursor() != ("", 0):
                return turns
        raise AssertionError("it never comes to rest")

    def restart(self) -> None:
        """The agent ends and begins again."""
        self.replica.close()
        self.replica = self._open()

    def close(self) -> None:
        self.replica.close()
        self.tools.close()

    def _open(self) -> Replica:
        rules = RulesFile(self.rules)
        return Replica(self.open_gallery(), dim=DIM, rules=rules, local=self._local)
