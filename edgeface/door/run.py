"""The door's loop: events in, decisions out, everything on the log before anything acts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Callable

from edgeface.door.actuator import Actuator, not_opened
from edgeface.door.audit_entry import act_record
from edgeface.door.camera_frame import CameraEnded, NoFrameYet
from edgeface.door.event import (
    Alarm,
    ChallengeWanted,
    Decision,
    Event,
    Maintenance,
    Moment,
    Output,
    PeopleChanged,
    Reason,
    Tick,
)
from edgeface.door.journal import Journal
from edgeface.door.perceive import Perception, subjects
from edgeface.door.report import Report
from edgeface.errors import (
    ActuatorError,
    CameraError,
    DoorError,
    GalleryError,
    InferenceError,
)

if TYPE_CHECKING:
    from edgeface.door.audit import AuditLog
    from edgeface.door.camera import Camera
    from edgeface.door.clock import Clock
    from edgeface.door.engine import Engine
    from edgeface.door.notify import Notifier
    from edgeface.door.rules_site import SiteRules
    from edgeface.door.window import Window
    from edgeface.gallery import Gallery, Person

# The exit button is asked this often when no frame comes.
_FRAME_WAIT_S = 0.05


class Door:
    """One door at work. `edgeface.door.assemble.open_door` makes one of a door.toml.

    Nothing that fails in it opens the door: a failed part disarms it until it works again, and
    the exit button works all the while.

    Parameters
    ----------
    camera, perception, engine, clock, gallery
        As their modules say; open.
    actuators
        What acts on decisions, in any order: those that must work are told first.
    audit
        The log; None where nothing is logged, for trials.
    notifier
        Told of every healthy turn.
    site_rules
        The site's rules, which take the place of the engine's when they come; None: no site.
    window
        Who at this board asks how the door is, and watches; None: nobody can.
    """

    def __init__(
        self,
        *,
        camera: Camera,
        perception: Perception,
        engine: Engine,
        clock: Clock,
        gallery: Gallery,
        actuators: Sequence[Actuator],
        audit: AuditLog | None,
        notifier: Notifier,
        site_rules: SiteRules | None = None,
        window: Window | None = None,
    ) -> None:
        self._camera = camera
        self._perception = perception
        self._engine = engine
        self._clock = clock
        self._gallery = gallery
        self._actuators = sorted(actuators, key=lambda actuator: not actuator.must_work)
        self._journal = Journal(audit)
        self._notifier = notifier
        self._site_rules = site_rules
        self._report = Report(window)
        if window is not None:
            window.status = self.figures
        self._shown = ""
        self._people: tuple[Person, ...] | None = None

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong now, by part."""
        return self._journal.faults

    @property
    def rules_version(self) -> int | None:
        """Number of the site's rules that hold; None where door.toml's hold alone."""
        return None if self._site_rules is None else self._site_rules.version

    def run(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Work until `stop` returns True, or a file that stands for the camera ends.

        Raises
        ------
        DoorError, BoardError
            It cannot go on at all. Failing parts are not errors: they are faults, and logged.
        """
        self._notifier.ready("starting")
        while not stop() and self.turn() is not None:
            self._notifier.alive(self.status())
        self._notifier.stopping()

    def status(self) -> str:
        """Return in one line how the door is."""
        if self.faults:
            return "faulty: " + "; ".join(f"{part}: {text}" for part, text in self.faults.items())
        return f"working, {len(self._people or ())} people"

    def figures(self) -> dict[str, Any]:
        """Return how the door is, for programs; any thread may ask.

        `Report.figures`, and "people", "rules" (`rules_version`), "clock" (`Clock.quality`) and
        "faults" by part.
        """
        return {
            **self._report.figures(self._clock.moment()),
            "people": len(self._people or ()),
            "rules": self.rules_version,
            "clock": self._clock.quality(),
            "faults": self.faults,
        }

    def turn(self) -> tuple[Output, ...] | None:
        """Do one round, one frame at most. Return what was decided; None at the end."""
        outputs: list[Output] = []
        parts = (self._ask_inputs, self._ask_rules, self._ask_people, self._journal.keep)
        for part in (*parts, self._ask_window):
            outputs += self._happen(part(self._clock.moment()))
        try:
            outputs += self._happen(self._ask_camera())
        except CameraEnded:
            return None
        moment = self._clock.moment()
        self._report.decided(outputs, self._perception, moment)
        self._report.tell(self._actuators, moment, people=len(self._people or ()))
        outputs += self._happen(self._show(moment))
        return tuple(outputs)

    def _happen(self, events: Iterable[Event]) -> list[Output]:
        """Let the engine decide on events, and on those that carrying out its decisions causes."""
        pending, done = deque(events), []
        while pending:
            event = pending.popleft()
            if isinstance(event, Maintenance):  # no output says that somebody turned the key
                pending.extend(self._journal.log(event))
            for output in self._engine.step(event):
                pending.extend(self._carry_out(output))
                done.append(output)
        return done

    def _ask_inputs(self, moment: Moment) -> list[Event]:
        events: list[Event] = []
        for actuator in self._actuators:
            try:
                events += actuator.poll(moment)
                fault = actuator.fault()
            except ActuatorError as error:
                fault = str(error)
            events += self._journal.fault(actuator.name, fault, moment, matters=actuator.must_work)
        return events

    def _ask_rules(self, moment: Moment) -> list[Event]:
        if self._site_rules is None:
            return []
        # Until right rules were found, what the site forbids is not known: no face opens.
        matters = not self._site_rules.known
        try:
            rules = self._site_rules.follow()
        except DoorError as error:
            return self._journal.fault("rules", str(error), moment, matters=matters)
        events = self._journal.fault("rules", None, moment, matters=matters)
        if rules is not None:
            self._engine.replace_rules(rules)
            self._perception.gone_after_s = rules.gone_after_s
            detail = f"version {self._site_rules.version}"
            events += self._journal.log(act_record(moment, act="rules", by="site", detail=detail))
        return events

    def _ask_people(self, moment: Moment) -> list[Event]:
        try:
            people = self._gallery.people()  # the same tuple until somebody changes
        except GalleryError as error:
            return self._journal.fault("gallery", str(error), moment)
        events = self._journal.fault("gallery", None, moment)
        if people is not self._people:
            known, self._people = self._people, people
            events.append(PeopleChanged(moment, subjects(people)))
            if known is not None:
                detail = f"{len(people)} people, {len(known)} before"
                events += self._journal.log(
                    act_record(moment, act="people", by="gallery", detail=detail)
                )
        return events

    def _ask_window(self, moment: Moment) -> list[Event]:
        """Write down who begins and ends to watch; only what was written down may begin."""
        events: list[Event] = []
        for watching in self._report.watching():
            act = f"live picture {'begins' if watching.begins else 'ends'}"
            events += self._journal.log(act_record(moment, act=act, by=watching.by))
            if "audit" not in self.faults:
                watching.allow()
        return events

    def _ask_camera(self) -> list[Event]:
        try:
            frame = self._camera.read(timeout_s=_FRAME_WAIT_S)
        except CameraEnded:
            raise
        except NoFrameYet:
            return [Tick(self._clock.moment())]
        except CameraError as error:
            now = self._clock.moment()
            return [Tick(now), *self._journal.fault("camera", str(error), now)]
        events = self._journal.fault("camera", None, self._clock.moment())
        seen = self._clock.moment(at=frame.captured)
        self._report.looked(frame)
        try:
            observation = self._perception.look(frame.image, seen)
        except InferenceError as error:
            return [*events, *self._journal.fault("model", str(error), self._clock.moment())]
        except GalleryError as error:
            return [*events, *self._journal.fault("gallery", str(error), self._clock.moment())]
        now = self._clock.moment()
        # The tick says how old the frame has become while it was looked at.
        return [*events, *self._journal.fault("model", None, now), Tick(now), observation]

    def _show(self, moment: Moment) -> list[Event]:
        """Tell the visitor what to do, where that changed."""
        if self._perception.instruction == self._shown:
            return []
        self._shown = self._perception.instruction
        events: list[Event] = []
        for actuator in self._actuators:
            try:
                actuator.show(self._shown)
            except ActuatorError as error:
                events += self._journal.fault(
                    actuator.name, str(error), moment, matters=actuator.must_work
                )
        return events

    def _carry_out(self, output: Output) -> list[Event]:
        if isinstance(output, ChallengeWanted):
            self._perception.ask(output)
            return []
        failed = self._journal.log(output)
        if failed and _by_face(output):
            return failed  # what cannot be logged does not open
        return [*failed, *self._act(output)]

    def _act(self, output: Decision | Alarm) -> list[Event]:
        events: list[Event] = []
        released = False
        for actuator in self._actuators:
            try:
                actuator.handle(output)
                released = released or actuator.must_work
            except ActuatorError as error:
                events += self._journal.fault(
                    actuator.name, str(error), output.moment, matters=actuator.must_work
                )
                opens = isinstance(output, Decision) and output.opens and not released
                if actuator.must_work and opens:
                    output = not_opened(
                        output, actuator
                    )  # the others are told what really happened
                    events += self._journal.log(output)
        return events


def _by_face(output: Decision | Alarm) -> bool:
    return (
        isinstance(output, Decision) and output.opens and output.reason is not Reason.EXIT_REQUEST
    )
