"""The agent's loops: ask the site what is new, tell it what was changed here and how the door is.

It never ends by itself: whatever fails is tried again, later and later, and told to the site.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable
from urllib.parse import quote

from edgeface.agent.config import AgentConfig, door_of
from edgeface.agent.link import SiteLink
from edgeface.agent.part import Part
from edgeface.agent.replica import Replica
from edgeface.agent.status import DoorStatus
from edgeface.door.notify import Notifier
from edgeface.door.sender_queue import Backoff
from edgeface.errors import EdgeFaceError, GalleryError, SiteError, SiteUnavailableError
from edgeface.gallery_person import to_datetime
from edgeface.site.wire import CHANGES, EDITED, STATUS, checked, parsed

WAIT_S = 25
_SOON_S = 5
_EDITS_S = 1.0
_STATUS_S = 5.0
_BACKOFF = Backoff(first_s=0.5, longest_s=30.0)
_STATUS_BACKOFF = Backoff(first_s=0.5, longest_s=8.0)  # it says first that the site is back
_TEXT_LIMIT = 500


class Agent:
    """A door's agent at work. `edgeface.agent.assemble.open_agent` makes one of an agent.toml.

    Parameters
    ----------
    config
        Of agent.toml.
    open_replica
        Opens the gallery; again where it was replaced.
    new_link
        Returns a connection to the site, one for each loop.
    status
        Gathers how the door is.
    parts
        Makes what else hears the site's answers.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        open_replica: Callable[[], Replica],
        new_link: Callable[[], SiteLink],
        status: DoorStatus,
        parts: Callable[[Agent], Sequence[Part]] = lambda agent: (),
    ) -> None:
        self._config, self._open_replica, self._status = config, open_replica, status
        self.replica = open_replica()
        self._links = {name: new_link() for name in ("changes", "edits", "status")}
        self._lock = threading.Lock()
        self._faults: dict[str, str] = {}
        self._offset_s: float | None = None
        self._digest = config.door.digest
        self._agreed = False  # the site's templates are of this door's model
        self._wholes = 0
        self._heard = False
        self._ended = threading.Event()
        self._back = threading.Event()  # the site answers again
        self._reached = True
        self._parts = parts(self)

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong now, by part."""
        with self._lock:
            found = dict(self._faults)
        for part in self._parts:
            text = part.problem()
            if text:
                found[part.name] = text
        return found

    def run(self, notifier: Notifier) -> None:
        """Work until `end`, which another thread or a signal's handler calls."""
        others = [
            threading.Thread(target=self._repeat, args=args, name=f"edgeface {args[0]}")
            for args in (
                ("edits", self._send_edits, _EDITS_S),
                ("status", self._tell_status, _STATUS_S),
            )
        ]
        for part in (*self._parts, *others):
            part.start()
        notifier.ready("starting")
        try:
            self._repeat("changes", lambda: self._turn(notifier), 0.0)
        finally:
            notifier.stopping()
            self.end()
            for thread in others:
                thread.join()

    def once(self) -> None:
        """Send what was changed here, take all that is new, and tell how the door is.

        Raises
        ------
        EdgeFaceError
            Something of it failed.
        """
        while self._exchange(0):
            pass
        self._tell_status()

    def check(self) -> str:
        """Ask the site, take nothing over, and say in one line what it has."""
        answer = self._ask(0)
        people = sum(person["present"] for person in answer["people"])
        more = "" if answer["whole"] else "changed "
        return f"the site answers: {people} {more}people for this door"

    def end(self) -> None:
        """Let `run` return soon."""
        self._ended.set()
        self._back.set()
        for link in self._links.values():
            link.cut()

    def close(self) -> None:
        """Close everything; closing twice is harmless."""
        self.end()
        for part in self._parts:
            part.close()
        for link in self._links.values():
            link.close()
        self.replica.close()

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repeat(self, part: str, work: Callable[[], object], pause_s: float) -> None:
        failures = 0
        try:
            while not self._ended.is_set():
                problem = self._tried(work)
                self._note(part, None if problem is None else str(problem))
                failures = 0 if problem is None else failures + 1
                if part == "status":
                    self._judge(reached=not isinstance(problem, SiteUnavailableError))
                backoff = _STATUS_BACKOFF if part == "status" else _BACKOFF
                wait_s = max(pause_s, backoff.pause_s(failures) if failures else 0.0)
                if part == "changes" and failures:
                    self._back.wait(wait_s)
                    self._back.clear()
                else:
                    self._ended.wait(wait_s)
        finally:
            self.end()  # a loop that ends by a fault of ours ends the agent: it is started anew

    def _judge(self, *, reached: bool) -> None:
        """Let the loop that waits for news know whether the site can be reached.

        A connection that waits does not notice a network that is gone, and would hang on to it.
        """
        if not reached:
            self._links["changes"].cut()
        elif not self._reached:
            self._back.set()
        self._reached = reached

    def _tried(self, work: Callable[[], object]) -> Exception | None:
        try:
            work()
        except GalleryError as error:
            self._reopen()
            return error
        except (EdgeFaceError, OSError) as error:
            return error
        return None

    def _turn(self, notifier: Notifier) -> None:
        notifier.alive("; ".join(f"{k}: {v}" for k, v in self.faults.items()) or "in step")
        self._exchange(self._wait_s())

    def _wait_s(self) -> int:
        """Return for how long the site may hold back an answer without news."""
        if not self._heard:  # the parts begin with the first one
            return 0
        return _SOON_S if any(part.waits() for part in self._parts) else WAIT_S

    def _exchange(self, wait_s: int) -> bool:
        """Ask once, and take over; True: there is more to ask for at once."""
        replica, link = self.replica, self._links["changes"]
        sent = replica.sent
        answer = self._ask(wait_s)
        for part in self._parts:
            self._hand(part, answer)
        self._heard = True
        try:
            if self._agreed:
                replica.send(lambda message: _tell(link, message))
        except SiteError:
            replica.revoke(answer)
            raise
        # An answer that is older than an edit would undo it for a moment.
        if replica.sent != sent or not replica.take(answer):
            return True
        self._wholes = self._wholes + 1 if answer["whole"] else 0
        if self._wholes > 1:  # everybody, again and again: not at once
            self._ended.wait(_BACKOFF.pause_s(self._wholes))
        return answer["more"] or replica.cursor() == ("", 0)

    def _ask(self, wait_s: int) -> dict[str, Any]:
        epoch, after = self.replica.cursor()
        name = quote(self._config.door.name, safe="")
        path = f"/door/changes?epoch={epoch}&after={after}&wait={wait_s}&name={name}"
        answer = parsed(self._links["changes"].get(path, wait_s=wait_s), CHANGES, what="changes")
        if answer["now"] is not None:
            own = datetime.now(timezone.utc)
            self._offset_s = round((to_datetime(answer["now"]) - own).total_seconds() + 0.5, 1)
        self._agreed = self.replica.is_of_model(answer)
        return answer

    def _hand(self, part: Part, answer: Mapping[str, Any]) -> None:
        try:
            part.take(answer)
            self._note(part.name, None)
        except EdgeFaceError as error:
            self._note(part.name, str(error))

    def _send_edits(self) -> None:
        link = self._links["edits"]
        if self._agreed:
            self.replica.send(lambda message: _tell(link, message))

    def _tell_status(self) -> None:
        digest = door_of(self._config).digest
        if digest != self._digest:  # its gallery or rules may be elsewhere now
            self._digest = digest
            self._reopen()
        more: dict[str, Any] = {"clock_offset_s": self._offset_s}
        for part in self._parts:
            more.update(part.status())
        faults = {**self.replica.problems(), **self.faults}
        status = self._status.tell(
            config=digest,
            rules=self.replica.rules_version(),
            people=self.replica.count(),
            faults={part: text[:_TEXT_LIMIT] for part, text in faults.items()},
            more=more,
        )
        body = json.dumps(checked(status, STATUS, what="status")).encode()
        self._links["status"].post("/door/status", body)

    def _note(self, part: str, text: str | None) -> None:
        with self._lock:
            if text is None:
                self._faults.pop(part, None)
            else:
                self._faults[part] = text

    def _reopen(self) -> None:
        """Open the gallery anew, as door.toml names it now: it may be another file."""
        with self._lock:
            try:
                replica = self._open_replica()
            except (GalleryError, SiteError) as error:
                self._faults["gallery"] = str(error)
                return
            self._faults.pop("gallery", None)
            old, self.replica = self.replica, replica
        old.close()
        self._links["changes"].cut()  # what it waits for is the old one's


def _tell(link: SiteLink, message: Mapping[str, Any]) -> dict[str, Any]:
    body = link.post("/door/edits", json.dumps(message).encode())
    return parsed(body, EDITED, what="answer to an edit")
