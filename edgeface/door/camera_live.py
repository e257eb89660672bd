"""A source that plays whether or not anybody looks: a thread keeps its newest frame."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Callable

from edgeface.door.camera_backoff import Backoff
from edgeface.door.camera_capture import Capture, Picture, open_capture
from edgeface.door.camera_eye import Eye
from edgeface.door.camera_frame import CameraEnded, Frame, Health, NoFrameYet
from edgeface.door.camera_settings import CameraSettings
from edgeface.door.camera_source import Source
from edgeface.door.camera_stamp import Stamps
from edgeface.errors import CameraError

CLOSE_WAIT_S = 1.0  # a driver that hangs keeps its thread, which dies with the process


class LiveFeed:
    """Reads in a thread of its own, opens anew what was lost, and never gives an old frame.

    A driver that hangs stops that thread only: whatever is asked of this object is answered from
    the age of what there is.
    """

    def __init__(
        self, source: Source, settings: CameraSettings, *, clock: Callable[[], float]
    ) -> None:
        self._source, self._settings, self._clock = source, settings, clock
        self._eye = Eye(settings)
        self._stop = threading.Event()
        self._changed = threading.Condition()  # guards everything below
        self._state = "starting"
        self._fault: str | None = None
        self._newest: Frame | None = None
        self._skipped = 0  # since the last frame that was handed out
        self._health = Health(source.label, "starting", None)
        self._good_at = clock()  # of the last good picture; before the first, of the start
        self._thread = threading.Thread(target=self._run, name="edgeface-camera", daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Return the time on the clock that frames are stamped with, in seconds."""
        return self._clock()

    def read(self, timeout_s: float) -> Frame:
        """As `Camera.read`."""
        with self._changed:
            self._changed.wait_for(self._can_answer, timeout_s)
            if self._fresh() is not None:
                return self._hand_out()
            raise self._nothing(timeout_s)

    def _can_answer(self) -> bool:
        return self._fresh() is not None or self._state in ("ended", "closed")

    def _fresh(self) -> Frame | None:
        frame = self._newest
        old = frame is None or self._clock() - frame.captured > self._settings.max_age_s
        return None if old else frame

    def _hand_out(self) -> Frame:
        frame, self._newest = self._newest, None
        assert frame is not None  # nosec B101  # for type checkers
        skipped, self._skipped = self._skipped, 0
        return replace(frame, dropped=skipped)

    def _nothing(self, timeout_s: float) -> CameraError:
        health, label = self._judged(), self._source.label
        if health.state in ("ended", "closed"):
            return CameraEnded(f"{label}: {health.state} after {health.frames} frames")
        if health.fault is not None:
            return CameraError(f"{label}: {health.fault}")
        return NoFrameYet(f"{label}: nothing new within {timeout_s:g} s")

    def health(self) -> Health:
        """As `Camera.health`."""
        with self._changed:
            return self._judged()

    def _judged(self) -> Health:
        """Health with what only the clock knows: a thread that hangs cannot say so itself."""
        silent_s = self._clock() - self._good_at
        age_s = silent_s if self._health.frames else None
        health = replace(self._health, state=self._state, fault=self._fault, age_s=age_s)
        if self._state in ("ended", "closed") or self._fault is not None:
            return health
        if not self._thread.is_alive():
            return replace(health, state="lost", fault="the reading thread broke off: restart")
        if silent_s > self._settings.stall_s:
            return replace(health, state="lost", fault=f"no good picture for {silent_s:.1f} s")
        return health

    def close(self) -> None:
        """As `Camera.close`."""
        self._stop.set()
        with self._changed:
            self._state, self._fault, self._newest = "closed", None, None
            self._changed.notify_all()
        self._thread.join(CLOSE_WAIT_S)

    # From here on in the reading thread.

    def _run(self) -> None:
        backoff = Backoff(
            first_s=self._settings.reconnect_first_s, limit_s=self._settings.reconnect_limit_s
        )
        while not self._stop.is_set():
            opened_at = self._clock()
            fault = self._session()
            if fault is None:
                return self._set("ended", None)
            if self._good_at - opened_at > self._settings.stall_s:
                backoff.reset()
            self._set("lost", fault)
            self._stop.wait(backoff.wait_s())
            with self._changed:
                self._health = replace(self._health, reconnects=self._health.reconnects + 1)

    def _session(self) -> str | None:
        """Read the source until it is lost; return why, or None at a file's end."""
        try:
            capture = open_capture(self._source, self._settings)
        except CameraError as error:
            return str(error)[len(self._source.label) + 2 :]
        try:
            return self._play(capture)
        finally:
            capture.close()

    def _play(self, capture: Capture) -> str | None:
        with self._changed:
            self._health = replace(self._health, asked=capture.asked)
        stamps = Stamps(same_clock=self._source.kind == "device")
        started = self._clock()
        warm_up = 0 if self._source.ends else self._settings.warm_up_frames
        while not self._stop.is_set():
            picture = capture.read()
            if picture is None:
                return None if self._source.ends else "the source gives no more pictures"
            if self._source.ends:
                self._stop.wait(max(0.0, started + (picture.position or 0.0) - self._clock()))
            if self._take(picture, stamps, warm=warm_up <= 0):
                warm_up -= 1
            if self._clock() - max(self._good_at, started) > self._settings.stall_s:
                return self._fault or "no good picture"
        return None

    def _take(self, picture: Picture, stamps: Stamps, *, warm: bool) -> bool:
        """Judge a picture and keep it where it is `warm`; return whether its age is known."""
        now = self._clock()
        captured = stamps.captured(picture.position, now=now)
        frame = self._eye.look(picture, captured=captured, now=now)
        known = stamps.settled or self._source.ends
        late = frame is not None and now - captured > self._settings.max_age_s
        problem = f"pictures come {now - captured:.1f} s late" if late else self._eye.problem
        with self._changed:
            self._count(late)
            if frame is None or problem is not None:
                self._drop_newest()
                self._note("faulty", problem)
                return known
            self._good_at = now
            if warm and known:
                self._keep(frame)
            else:
                self._eye.forget_rate()
        return known

    def _drop_newest(self) -> None:
        if self._newest is not None:
            self._newest = None
            self._skipped += 1
            self._health = replace(self._health, dropped=self._health.dropped + 1)

    def _keep(self, frame: Frame) -> None:
        self._drop_newest()
        self._newest = frame
        self._note("live", None)

    def _count(self, late: bool) -> None:
        eye = self._eye
        self._health = replace(
            self._health,
            width=eye.size[0],
            height=eye.size[1],
            fps=eye.fps,
            frames=eye.frames,
            unusable=eye.unusable,
            late=self._health.late + late,
        )

    def _set(self, state: str, fault: str | None) -> None:
        with self._changed:
            self._note(state, fault)

    def _note(self, state: str, fault: str | None) -> None:
        if self._state != "closed":
            self._state, self._fault = state, fault
            self._changed.notify_all()
