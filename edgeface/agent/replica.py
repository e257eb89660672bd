"""A door's gallery and rules as the copy of what its site has, and its own edits on their way up.

Where the copy stands is in the gallery itself, written in the transaction that changes people: a
process killed at any moment, or a gallery put back from a backup, goes on from there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Callable

from edgeface.agent.edits import LocalEdit, copy_of, local_edits
from edgeface.agent.rules_file import RulesFile
from edgeface.errors import SiteError, SiteForbiddenError, SiteUnavailableError
from edgeface.gallery import Gallery, Holding, Person, SiteEntry
from edgeface.gallery_person import PersonRecord, apply_changes, now
from edgeface.site.wire import SitePerson, person_of

Tell = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Sends an edit to the site, and returns its answer (`edgeface.site.wire.EDITED`)."""

_TRIES = 20


class Replica:
    """A gallery as the copy of a site. Threads share it.

    Every method raises ``GalleryError`` where the gallery cannot be read or written.

    Parameters
    ----------
    gallery
        Open.
    dim
        Length of its embeddings.
    rules
        Where the site's rules go.
    local
        Whether what is changed at the door is sent to the site; else the site's word is put back,
        and who was enrolled at the door stays the door's alone.
    """

    def __init__(self, gallery: Gallery, *, dim: int, rules: RulesFile, local: bool = True) -> None:
        self._gallery, self._dim, self._rules, self._local = gallery, dim, rules, local
        self._lock = threading.RLock()
        self._answered: dict[str, str] = {}
        self._edits: tuple[Holding, tuple[LocalEdit, ...]] | None = None
        epoch, _, through = gallery.holding().site.cursor.partition(" ")
        self._cursor = (epoch, int(through or 0))
        self._known: tuple[tuple[Person, ...], dict[str, str]] | None = None
        self._lost = False  # the site's word on somebody is needed again
        self._problem: str | None = None
        self.sent = 0

    def cursor(self) -> tuple[str, int]:
        """Return ``epoch`` and ``after`` to ask with; ("", 0) asks for everybody."""
        with self._lock:
            return ("", 0) if self._lost or self._rules.missing() else self._cursor

    def problems(self) -> dict[str, str]:
        """Return what operators should know, by part."""
        with self._lock:
            refused = [text for text in self._answered.values() if text]
            found = {"rules": self._problem} if self._problem else {}
            if refused:
                found["edits"] = f"{len(refused)} refused by the site; the last: {refused[-1]}"
            return found

    def count(self) -> int:
        """Return how many people the gallery has."""
        return len(self._gallery)

    def rules_version(self) -> int | None:
        """Return the number of the site's rules that the door was given."""
        return self._rules.version()

    def close(self) -> None:
        """Close the gallery."""
        self._gallery.close()

    def uids(self) -> dict[str, str]:
        """Return the site's id of everybody whom it knows, by name: the same until that changes."""
        people = self._gallery.people()
        if self._known is None or self._known[0] is not people:
            self._known = (people, {p.name: p.site_id for p in people if p.site_id})
        return self._known[1]

    def is_of_model(self, answer: Mapping[str, Any]) -> bool:
        """Tell whether an answer's templates are of this gallery's model; else `send` nothing."""
        return answer["model_id"] == self._gallery.model_id

    def send(self, tell: Tell) -> int:
        """Send what was changed here and the site was not told of yet; return how many edits.

        `sent` counts them: an answer that was asked for before is older than they are.

        Raises
        ------
        SiteUnavailableError, SiteForbiddenError
            Of `tell`: those that are left go next time.
        """
        with self._lock:
            waiting = self._waiting()
            for edit in waiting:
                if edit.kind == "enrol" and not self._gallery.sending(edit.name, edit.note):
                    continue  # taken out again meanwhile
                self._settle(edit, _answer(tell, edit))
                self.sent += 1
            return len(waiting)

    def take(self, answer: Mapping[str, Any]) -> bool:
        """Take over an answer (`edgeface.site.wire.CHANGES`); False: `send` first, and ask again.

        Rules are written before people: a cursor never stands behind rules that are not there.

        Raises
        ------
        SiteError
            Its templates are of another model (`revoke` was done then), it holds what no gallery
            takes, or the rules cannot be written.
        """
        if not self.is_of_model(answer):
            self.revoke(answer)
            raise SiteError(
                f"the site's templates are of model {answer['model_id']}, this door's bundle has "
                f"{self._gallery.model_id}: give the door the site's bundle"
            )
        entries = [self._entry(person_of(p, dim=self._dim)) for p in answer["people"]]
        with self._lock:
            if answer["rules"] is not None:
                self._problem = self._rules.write(answer["rules"])
            for _ in range(_TRIES):
                if self._waiting():
                    return False
                if self._apply(entries, answer):
                    break
            else:
                return False
            self._cursor = (answer["epoch"], answer["through"])
            if not answer["more"]:
                self._lost = not answer["whole"] and (self._lost or self._strays())
                known = {edit.edit_id for edit in self._found()[1]}
                self._answered = {k: text for k, text in self._answered.items() if k in known}
        return True

    def revoke(self, answer: Mapping[str, Any]) -> None:
        """Take over of an answer only whom it lets in no longer.

        For when `send` fails: what cannot be sent must not hold that back. The cursor stays, so
        that the rest comes again.
        """
        people = answer["people"]
        if not self.is_of_model(answer):
            people = [{**p, "templates": []} if p["present"] else p for p in people]
        told = [self._entry(person_of(p, dim=self._dim)) for p in people]
        entries = [e for e in told if e.name is None or e.changes["blocked"]]
        with self._lock:
            holding = self._gallery.holding()
            if answer["whole"]:
                known = {entry.uid for entry in told}
                ours = {p.site_id: p.site_version or 0 for p in holding.people if p.site_id}
                entries += [SiteEntry(uid, ours[uid]) for uid in ours if uid not in known]
            if entries:
                self._gallery.apply(entries, cursor=holding.site.cursor)

    def _apply(self, entries: list[SiteEntry], answer: Mapping[str, Any]) -> bool:
        if not entries and not answer["whole"]:
            return True  # a cursor alone is not worth a new gallery to the door that follows it
        cursor = f"{answer['epoch']} {answer['through']}"
        try:
            return self._gallery.apply(
                entries, cursor=cursor, whole=answer["whole"], seen=self._found()[0]
            )
        except (ValueError, TypeError) as error:
            raise SiteError(f"what the site tells cannot be: {error}") from error

    def _waiting(self) -> list[LocalEdit]:
        if not self._local:
            return []
        edits = self._found()[1]
        # A question has the id of the enrolment that it asks about.
        return [e for e in edits if e.kind == "ask" or e.edit_id not in self._answered]

    def _strays(self) -> bool:
        """Tell whether somebody of the site is not as the site has them, after all it told."""
        (holding, edits), (_, through) = self._found(), self._cursor
        changed = [edit for edit in edits if edit.kind in ("change", "erase")]
        if any(not self._local or edit.edit_id in self._answered for edit in changed):
            return True
        versions = (p.site_version for p in holding.people if p.site_id is not None)
        return any(version is None or version > through for version in versions)

    def _found(self) -> tuple[Holding, tuple[LocalEdit, ...]]:
        """Return the gallery as it is, and how it differs from what the site told."""
        people = self._gallery.people()
        if not people or self._edits is None or self._edits[0].people is not people:
            holding = self._gallery.holding()
            edits = local_edits(holding, gallery_id=self._gallery.gallery_id, made_at=now())
            self._edits = (holding, edits)
        return self._edits

    def _settle(self, edit: LocalEdit, answer: Mapping[str, Any]) -> None:
        refused = answer["outcome"] == "refused"
        if edit.kind in ("enrol", "ask") and edit.name:
            self._settle_enrolment(edit, answer, refused=refused)
        elif edit.kind == "ask":
            known_as = None if refused else (answer["uid"], answer["version"])
            self._gallery.settle_removed(edit.note, known_as=known_as)
        elif edit.kind == "erase" and not refused:
            # Else the answer that has everybody brings the person back, and ends the note.
            self._gallery.settle_removed(edit.message["uid"])
        if edit.kind != "ask":
            self._answered[edit.edit_id] = answer["text"] if refused else ""

    def _settle_enrolment(
        self, edit: LocalEdit, answer: Mapping[str, Any], *, refused: bool
    ) -> None:
        if refused:
            self._gallery.sending(edit.name, "")
            return
        uid, version = answer["uid"], answer["version"]
        # The site may have had them already, and will not say again what it has told.
        self._lost = self._lost or version <= self._cursor[1]
        copy = _without_limits(edit.copy)
        if copy != edit.copy:
            version = 0  # an edit of its own tells them, and holds whatever others said
        self._gallery.link(edit.name, uid=uid, version=version, copy=copy)

    def _entry(self, person: SitePerson) -> SiteEntry:
        if not person.present:
            return SiteEntry(person.uid, person.version)
        record = person.record or {}
        try:
            told = apply_changes(PersonRecord(person.name or "", ""), record)
        except (ValueError, TypeError) as error:
            raise SiteError(f"what the site tells of {person.uid} cannot be: {error}") from error
        return SiteEntry(
            person.uid,
            person.version,
            person.name,
            record,
            person.templates,
            copy=copy_of(told, person.templates),
        )


def _answer(tell: Tell, edit: LocalEdit) -> Mapping[str, Any]:
    try:
        answer = tell(edit.message)
        missing = {"uid", "version"} - set(answer)
        if edit.kind in ("enrol", "ask") and answer["outcome"] != "refused" and missing:
            raise SiteError(f"an enrolment was answered without {sorted(missing)[0]}")
        return answer
    except (SiteUnavailableError, SiteForbiddenError):
        raise
    except SiteError as error:
        return {"edit_id": edit.edit_id, "outcome": "refused", "text": str(error)}


def _without_limits(copy: str) -> str:
    """Return a copy as of somebody who is not blocked and does not expire."""
    told = json.loads(copy)
    told["record"].update(blocked=False, expires_at=None)
    return json.dumps(told)
