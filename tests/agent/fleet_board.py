"""Boards that take roll-outs: the real edgeface-slot with small kits, and a real HTTP server.

The door on such a board is the kit's little app: "restarting" it notes which version runs now, and
its health is that of this version.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import edgeface
from boards.slot import HOME
from boards.slot import slot as tool
from edgeface.agent.fleet import Fleet
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.agent.fleet_state import read_state
from edgeface.agent.link import SiteLink
from tests.boards.slot.kits import assert_done, environment, run_slot, status

TEMPLATE = Path(edgeface.__file__).with_name("door") / "template.toml"
ILL = "9.9"
"""What is unhealthy once it runs: a version, or a word of door.toml."""


class Board:
    """A board in a folder: slots, the little door, and the agent's part for it.

    Without slots it is one whose door runs what its door.toml says.
    """

    def __init__(self, folder: Path, *, slots: Path | None = None) -> None:
        self.folder, self.root = folder, folder / "root"
        folder.mkdir(parents=True)
        self.environment = environment(folder)
        runs = f"{self.root / HOME}/current/bin/edgeface --version"
        if slots is None:
            runs = "cat door.toml"
            shutil.copy(TEMPLATE, folder / "door.toml")
        else:
            shutil.copytree(slots, self.root, symlinks=True)
        self._script("restart", f"{runs} > running.new && mv running.new running")
        self._script("stop", "rm -f running")
        self._script(
            "check", 'grep -q /dev/video7 "$1" && { echo "the camera is gone" >&2; exit 1; }; true'
        )
        subprocess.run([folder / "restart"], env=self.environment, check=True)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Table [fleet] of this board."""
        return {
            "slot_tool": [sys.executable, "-I", str(tool.__file__)],
            "slot_root": str(self.root),
            **{name: [str(self.folder / name)] for name in ("stop", "restart")},
            "folder": str(self.folder / "fleet"),
            "check": [str(self.folder / "check"), "{file}"],
            "restart_agent": [],
            "restart_self": [],
            "start_s": 1.0,
            "settle_s": 0.2,
            **changes,
        }

    @property
    def running(self) -> str:
        """Version or settings that the door runs, empty where none runs."""
        try:
            return (self.folder / "running").read_text().strip()
        except OSError:
            return ""

    @property
    def current(self) -> str:
        """Version in the slot that is current."""
        found = status(self.root)
        return found["slots"][found["current"]]["version"]

    def health(self) -> dict[str, Any] | None:
        """The door's status, or None."""
        if not self.running:
            return None
        faults = {"model": "it computes nonsense"} if ILL in self.running else {}
        return {"faults": faults, "model_id": "m1", "edgeface": self.running}

    def fleet(
        self,
        url: str,
        *,
        door_config: Path | None = None,
        link: SiteLink | None = None,
        **changes: Any,
    ) -> Fleet:
        """The agent's part, not begun yet."""
        settings = FleetSettings.from_settings(
            self.settings(**changes),
            base=self.folder,
            door_config=door_config or self.folder / "door.toml",
        )
        link = link or SiteLink(url, ca_file=None, token=lambda: "token")
        return Fleet(settings, link=link, health=self.health)

    def agent(self, url: str, task: Mapping[str, Any], **changes: Any) -> BaseProcess:
        """The same in a process of its own, which ends when the task is ended."""
        told = {"folder": str(self.folder), "url": url, "task": task, "changes": changes}
        process = _PROCESSES.Process(target=work, args=({**told, "env": self.environment},))
        process.start()
        return process

    def report_of(self, process: BaseProcess) -> dict[str, Any]:
        """Wait for an agent's end, and return what it would tell the site."""
        process.join(60)
        assert process.exitcode == 0
        return read_state(self.folder / "fleet/state.json").report()

    def phase(self) -> str:
        """Where the agent's state file says that it is."""
        try:
            return json.loads((self.folder / "fleet/state.json").read_bytes())["phase"]
        except (OSError, ValueError):
            return ""

    def _script(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\ncd {self.folder} || exit 1\n{text}\n")
        file.chmod(0o755)


def take(board: Board, server: FileServer, task: Mapping[str, Any], **changes: Any) -> dict:
    """Let a board do one step, and return its report."""
    fleet = board.fleet(server.url, **changes)
    fleet.start()
    try:
        fleet.ask(task)
        return finished(fleet, task)
    finally:
        fleet.close()


def installed(kit: Path, root: Path) -> Path:
    """Install a kit on a machine of its own, for boards to copy: it takes a second."""
    assert_done(run_slot(root, "install", kit))
    return root


class FileServer(ThreadingHTTPServer):
    """Gives one file out, also in part; keeps the ranges that were asked for."""

    daemon_threads = True

    def __init__(self, file: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = file.read_bytes()
        self.asked: list[int] = []
        self.cuts: list[int] = []  # the next answers end after so many bytes
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()

    def task(self, kind: str = "kit", *, rollout: int = 1, **changes: Any) -> dict[str, Any]:
        """The step that takes the file."""
        told = {"rollout": rollout, "action": "take", "kind": kind, "bytes": len(self.data)}
        return {**told, "sha256": hashlib.sha256(self.data).hexdigest(), **changes}


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(found[1]) if found else 0
        self.server.asked.append(begin)
        body = self.server.data[begin:]
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def finished(fleet: Fleet, task: Mapping[str, Any], *, within_s: float = 60.0) -> dict[str, Any]:
    """Wait until a step is ended, and return the report."""
    step = {name: task[name] for name in ("rollout", "action")}
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        report = fleet.report()
        if report and report["state"] != "working" and step.items() <= report.items():
            return report
        time.sleep(0.01)
    raise AssertionError(f"not ended: {fleet.report()}")


def kill(process: BaseProcess) -> None:
    """Kill an agent and all that it has started: as a power cut does."""
    os.kill(process.pid, signal.SIGSTOP)  # it must not see its programs end
    started = _children(process.pid)
    process.kill()
    process.join()
    _kill_sessions(started)


def kill_programs(process: BaseProcess) -> None:
    """Kill what an agent has started, each with what it started itself."""
    _kill_sessions(_children(process.pid))


def _kill_sessions(leaders: list[int]) -> None:
    for number in leaders:
        try:
            os.killpg(number, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def work(told: dict[str, Any]) -> None:
    """Do one step of a roll-out on a board that is there: what `Board.agent` runs."""
    os.environ.update(told["env"])
    board = Board.__new__(Board)
    board.folder = Path(told["folder"])
    board.root = board.folder / "root"
    fleet = board.fleet(told["url"], **told["changes"])
    fleet.start()
    fleet.ask(told["task"])
    finished(fleet, told["task"])
    fleet.close()


_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.agent.fleet_board"])
