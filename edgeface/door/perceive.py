"""From a camera frame to what the decision engine needs to know of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable

from edgeface.door.challenge import Challenge
from edgeface.door.event import (
    Card,
    ChallengeWanted,
    Decision,
    Moment,
    Observation,
    Subject,
)
from edgeface.door.feed import Feed
from edgeface.door.gate import Gate
from edgeface.door.track import Tracker
from edgeface.gallery_person import to_datetime

if TYPE_CHECKING:
    import numpy as np

    from edgeface.door.track import Track
    from edgeface.face import Face
    from edgeface.gallery import Gallery, Person
    from edgeface.pipeline import Pipeline

_NO_SECOND_PERSON = 2.0  # the greatest lead that two cosines can have


class Perception:
    """Follows one face through the frames and says what each frame shows of it.

    Parameters
    ----------
    pipeline
        Open, with its liveness stage where `liveness` is True.
    gallery
        Whom a face is compared with.
    threshold
        The least cosine of a match now, -1 to 1. Who has expired is named where nobody else
        reaches it: the rules refuse them, and the log says who came.
    tracker, gate, feed
        Of this door's settings.
    challenge
        What a visitor can be asked to do; None where the door never asks.
    liveness
        Whether each good face's liveness is measured.
    gone_after_s
        Seconds without the face after which its visit is over, as in the rules; an attribute, to be
        set where they change.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        gallery: Gallery,
        *,
        threshold: Callable[[], float],
        tracker: Tracker,
        gate: Gate,
        feed: Feed,
        challenge: Challenge | None,
        liveness: bool,
        gone_after_s: float,
    ) -> None:
        self._pipeline = pipeline
        self._gallery = gallery
        self._threshold = threshold
        self._tracker = tracker
        self._gate = gate
        self._feed = feed
        self._challenge = challenge
        self._liveness = liveness
        self.gone_after_s = gone_after_s
        self._asked: int | None = None
        self._track: Track | None = None
        self._seen = 0.0
        self._faces: tuple[Face, ...] = ()

    def look(self, image: np.ndarray, moment: Moment) -> Observation:
        """Say what one frame shows.

        Parameters
        ----------
        image
            (height, width, 3) uint8 BGR, captured at `moment`.

        Raises
        ------
        InferenceError
            A model failed.
        GalleryError
            The gallery cannot be read.
        """
        self._faces = faces = self._pipeline.analyze(image)
        self._track = track = self._tracker.update(faces, at=moment.monotonic)
        if track is None:
            if self._asked is not None and moment.monotonic - self._seen > self.gone_after_s:
                self._asked = None
            return Observation(moment, faces=len(faces))
        self._seen = moment.monotonic
        face = track.face
        broken = self._gate.broken(face, faces, shape=image.shape)
        person, score, lead = self._nearest(face)
        return Observation(
            moment,
            track=track.number,
            faces=len(faces),
            broken=broken,
            person=person,
            score=score,
            lead=lead,
            live=self._live(image, face) if not broken else None,
            challenge=self._answered(track, image, moment),
            feed=self._feed.update(face.embedding, image, at=moment.monotonic),
        )

    def ask(self, wanted: ChallengeWanted) -> None:
        """Begin an active challenge of the track that the rules name, if it is still there."""
        if self._challenge is None or self._track is None or self._track.number != wanted.track:
            return
        self._asked = wanted.track
        self._challenge.start(self._track, at=wanted.moment.monotonic)

    def seen(self, decision: Decision | None) -> dict[str, Any]:
        """Return what the last frame showed, as JSON holds it; no name, no template.

        "faces": the box of each in pixels, its "text", and its "state" for a colour: "good" or
        "bad" of the face that the last decision is of, "" of others; "track", "instruction".
        """
        track = self._track
        ours = None if decision is None or track is None else decision.track == track.number
        faces = []
        for face in self._faces:
            box = [round(float(value), 1) for value in face.box]
            followed = track is not None and face is track.face
            of_it = decision if followed and ours else None
            state = "" if of_it is None else "good" if of_it.opens else "bad"
            text = "" if of_it is None else of_it.reason.value
            faces.append({"box": box, "text": text, "state": state})
        return {
            "faces": faces,
            "track": None if track is None else track.number,
            "instruction": self.instruction,
        }

    @property
    def step(self) -> str | None:
        """What the visitor is asked to do now, as `Challenge.step`; None where nothing is."""
        return None if self._asked is None else self._challenge.step

    @property
    def instruction(self) -> str:
        """The same in words, for a display; empty where nothing is asked."""
        return "" if self._asked is None else self._challenge.instruction

    def _answered(self, track: Track, image: np.ndarray, moment: Moment) -> str:
        if self._asked != track.number:
            self._asked = None  # who was asked has left
            return "none"
        return self._challenge.update(track.face, image, at=moment.monotonic)

    def _live(self, image: np.ndarray, face: Face) -> float | None:
        return self._pipeline.live_score(image, face) if self._liveness else None

    def _nearest(self, face: Face) -> tuple[str | None, float | None, float | None]:
        found = self._gallery.identify(
            face.embedding, threshold=self._threshold(), margin=0.0, top_k=2, expired=True
        )
        if not found.candidates:
            return None, None, None
        best, *others = found.candidates
        lead = best.score - others[0].score if others else _NO_SECOND_PERSON
        return best.name, best.score, lead


def subjects(people: Iterable[Person]) -> tuple[Subject, ...]:
    """Return what the rules need to know of everybody who can be recognised."""
    return tuple(_subject(person) for person in people if person.templates)


def _subject(person: Person) -> Subject:
    return Subject(
        person.name,
        groups=person.groups,
        blocked=person.blocked,
        expires_at=person.expires_at and to_datetime(person.expires_at),
        card=person.card and Card(*person.card),
        templates=person.templates,
    )
