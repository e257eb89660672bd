"""Doing a roll-out's step at this door, and going back where the door gets worse by it.

Nothing that the site sends is run: a kit goes through the board's edgeface-slot, which checks who
signed it, and a configuration through the door's own check. What runs programs is agent.toml.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable
from uuid import uuid4

from edgeface.agent.fleet_command import KilledError, run
from edgeface.agent.fleet_config import ConfigStep
from edgeface.agent.fleet_fetch import fetch_file
from edgeface.agent.fleet_kit import KitStep
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.agent.fleet_state import FleetState, read_state, same_step, write_state
from edgeface.agent.link import SiteLink
from edgeface.errors import SiteError, SiteUnavailableError
from edgeface.site.wire_task import worse

_RESTART_S = 150.0
_RENEW_S = 30.0
_TRIES = 3
_ASK_S = 1.0
_ASKS = 10
_STEPS = {"kit": KitStep, "config": ConfigStep}


class Fleet:
    """A thread that does what the site's roll-outs ask of this door. `start` and `close` it.

    Killed at any moment, it goes on from its state file: every phase may be done twice.

    Parameters
    ----------
    settings
        Of agent.toml.
    link
        To the site; its own.
    health
        Returns the running door's status, with ``faults`` as in `edgeface.site.wire.STATUS`, or
        None where it does not answer.
    """

    def __init__(
        self,
        settings: FleetSettings,
        *,
        link: SiteLink,
        health: Callable[[], Mapping[str, Any] | None],
    ) -> None:
        self._settings, self._link, self._health = settings, link, health
        self._path = settings.state
        self._state = read_state(self._path)
        self._life = uuid4().hex
        self._offered: Mapping[str, Any] | None = None
        self._asked = False  # whether this process was told anything
        self._changed, self._ended = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._phases = {
            "fetch": self._fetch,
            "apply": self._apply,
            "settle": self._settle,
            "renew": self._renew,
            "back": self._back,
        }

    def start(self) -> None:
        """Begin; what an earlier process left unfinished goes on."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, at the latest when the program that it runs has ended; a second waits.

        The state file says where the next process goes on.
        """
        self._ended.set()
        self._link.cut()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def ask(self, task: Mapping[str, Any] | None) -> None:
        """Hear what the site asks for now, as `edgeface.site.wire_task.TASK`; None for nothing."""
        with self._changed:
            self._offered, self._asked = task, True
            self._changed.notify_all()

    def works(self) -> bool:
        """Whether the thread is there; a fault of ours ends it."""
        return self._thread.is_alive()

    def report(self) -> dict[str, Any] | None:
        """Return what becomes of the newest step, as `edgeface.site.wire_task.TASK_REPORT`."""
        return None if self._state is None else self._state.report()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._turn()
            except OSError as error:  # the state cannot be written: nothing further is begun
                if self._state:
                    self._state = self._state.to(self._state.phase, f"not noted: {error}")
                self._ended.wait(_ASK_S)

    def _turn(self) -> None:
        if self._state and not self._state.ended:
            self._do_phase(self._state)
            return
        with self._changed:
            task = self._offered
            if task is None or (self._state and same_step(task, self._state.task)):
                self._changed.wait(_ASK_S)
                return
        self._note(self._begun(task))

    def _do_phase(self, state: FleetState) -> None:
        # Where nothing can be noted, nothing is done.
        self._note(state.to(state.phase, state.text, tries=state.tries + 1))
        if state.tries >= _TRIES and state.phase != "fetch":
            self._give_up(f"cut off {state.tries} times")
            return
        try:
            self._phases[state.phase]()
        except KilledError as error:
            self._state = self._state.to(state.phase, str(error))
            self._ended.wait(_ASK_S)  # what killed it is about to end this process too

    def _give_up(self, why: str) -> None:
        if self._state.phase in ("apply", "settle"):
            self._note(self._state.to("back", "going back", why=why))
        elif self._state.phase == "back":
            self._end("failed", f"{self._state.why}; could not go back: {why}".lstrip("; "))
        else:
            self._end(self._state.result, self._state.why)

    def _begun(self, task: Mapping[str, Any]) -> FleetState:
        if task["action"] == "take":
            if task["kind"] in self._settings.kinds:
                return FleetState(task, text="fetching")
            text = f"this door takes no {task['kind']} of its site: see [fleet] in agent.toml"
            return FleetState(task, "failed", text)
        if self._state and self._state.task["rollout"] == task["rollout"] and self._state.notes:
            return FleetState(task, "back", "going back", notes=self._state.notes)
        return FleetState(task, "failed", "nothing of this roll-out is known here")

    def _fetch(self) -> None:
        """Fetch the file, and note how all is before anything changes."""
        state, step = self._state, self._step()
        try:
            file = fetch_file(
                state.task, folder=self._settings.folder, link=self._link, copies=step.copies
            )
            before = self._health_before()
            notes = step.prepare(file)
        except SiteUnavailableError as error:
            self._wait_for_site(str(error))
        except SiteError as error:
            self._end("failed", str(error))
        else:
            self._note(state.to("apply", "installing", before=before, notes=notes))

    def _health_before(self) -> Mapping[str, Any]:
        for _ in range(_ASKS):  # it may be busy, or just beginning
            before = self._health()
            if before is not None:
                return before
            if self._ended.wait(_ASK_S):
                raise KilledError("this process ends")
        raise SiteError("the door does not answer: nothing was begun; mend it first")

    def _wait_for_site(self, text: str) -> None:
        self._state = self._state.to("fetch", text)
        self._ended.wait(_ASK_S * 5)
        with self._changed:
            wanted = self._offered and same_step(self._offered, self._state.task)
            withdrawn = self._asked and not wanted
        if withdrawn:
            self._end("failed", f"the site does not ask for it any more; {text}")

    def _apply(self) -> None:
        state = self._state
        try:
            self._step().apply(self._file(), state.notes)
        except SiteError as error:
            self._note(state.to("back", "going back", why=str(error)))
        else:
            self._note(state.to("settle", "restarting the door"))

    def _settle(self) -> None:
        """Start the door anew and see whether it is as healthy as before."""
        state = self._state
        try:
            run(self._settings.restart, limit_s=_RESTART_S)
            self._state = state.to("settle", "watching the door")
            if not self._healthy(state.before):
                return  # this process ends
            self._restart_agent()
        except SiteError as error:
            self._note(state.to("back", "going back", why=str(error)))
        else:
            self._note(self._renewing("done", "done"))

    def _renewing(self, result: str, why: str) -> FleetState:
        text = "restarting itself"
        return self._state.to("renew", text, result=result, why=why, life=self._life)

    def _healthy(self, before: Mapping[str, Any]) -> bool:
        """Wait until the door is healthy for so long. False: this process ends before."""
        began, good = time.monotonic(), None
        while not self._ended.is_set():
            now = time.monotonic()
            problem = worse(before, self._health())
            if problem and now - began > self._settings.start_s:
                raise SiteError(problem)
            good = None if problem else good or now
            if good is not None and now - good >= self._settings.settle_s:
                return True
            self._ended.wait(min(_ASK_S, self._settings.settle_s or _ASK_S))
        return False

    def _renew(self) -> None:
        """Let this process run from the new slot too: the old one is not free while one does."""
        state, command = self._state, self._settings.restart_self
        note = ""
        if self._step().renews and command and state.life == self._life:
            try:
                run(command, limit_s=_RESTART_S)
                if self._ended.wait(_RENEW_S):
                    return  # the next process finds that it is another one
            except SiteError as error:
                note = f"; this process was not restarted: {error}"
        self._end(state.result, state.why + note)

    def _back(self) -> None:
        state, note = self._state, ""
        try:
            # Cut off before, it may have gone back and not have started the door.
            changed = self._step().undo(state.notes) or state.tries > 1
            if changed:
                run(self._settings.restart, limit_s=_RESTART_S)
        except SiteError as error:
            self._end("failed", f"{state.why}; could not go back: {error}".lstrip("; "))
            return
        try:
            if changed:
                self._restart_agent()
        except SiteError as error:
            note = f"; its agent does not come up: {error}"
        if state.task["action"] == "back":
            self._note(self._renewing("done", f"went back{note}"))
        else:
            self._note(self._renewing("failed", f"{state.why}{note}"))

    def _restart_agent(self) -> None:
        """Let the agent go by what is here now; one that does not begin is an error."""
        if self._settings.restart_agent:
            run(self._settings.restart_agent, limit_s=_RESTART_S)

    def _end(self, phase: str, text: str) -> None:
        self._note(self._state.to(phase, text))
        self._file().unlink(missing_ok=True)

    def _step(self) -> KitStep | ConfigStep:
        return _STEPS[self._state.task["kind"]](self._settings, pause=self._ended.wait)

    def _file(self) -> Path:
        return self._settings.folder / self._state.task["sha256"]

    def _note(self, state: FleetState) -> None:
        """Write down where it is, then go there."""
        self._settings.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_state(self._path, state)
        self._state = state
