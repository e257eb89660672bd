"""rknn-toolkit2 as a subprocess: it needs an environment of its own, and it can die by a signal."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from pathlib import Path

from tqdm import tqdm

from export.errors import ExportError

ENVIRONMENT_VARIABLE = "RKNN_VENV"
WORKER = Path(__file__).with_name("worker.py")
SILENCE_LIMIT_S = 1800.0  # of one step; the slowest seen, mmse calibration, took a third of it
EXIT_LIMIT_S = 60.0
LOG_LINES, LINE_LENGTH = 6, 200


def python(environment: Path | None = None) -> Path:
    """Return the interpreter of the toolkit's environment.

    ``environment`` is its folder; None means ``$RKNN_VENV`` or ``.venv-rknn`` beside ``export``.

    Raises
    ------
    ExportError
        There is none.
    """
    default = Path(__file__).parents[2] / ".venv-rknn"
    folder = Path(environment or os.environ.get(ENVIRONMENT_VARIABLE, default))
    found = folder / "bin" / "python"
    if not found.exists():
        raise ExportError(
            f"no rknn-toolkit2 at {folder}: make it with 'make rknn-env', which needs Python 3.11 "
            f"and 1.4 GB, or set {ENVIRONMENT_VARIABLE} to one"
        )
    return found


def run_job(
    job: dict,
    *,
    folder: Path,
    name: str,
    environment: Path | None = None,
    silence_limit_s: float = SILENCE_LIMIT_S,
) -> dict:
    """Do one job of `export.rknn.worker` in ``folder`` and return its result.

    The job is kept there as ``<name>.json``, the toolkit's own words as ``<name>.log``.

    Raises
    ------
    ExportError
        No such environment, the toolkit refused, it died, or it said nothing for
        ``silence_limit_s`` seconds.
    """
    interpreter = python(environment)
    (folder / f"{name}.json").write_text(json.dumps(job, indent=1) + "\n")
    read_end, write_end = os.pipe()
    log_path = folder / f"{name}.log"
    with log_path.open("wb") as log, os.fdopen(read_end, "rb", buffering=0) as events:
        process = subprocess.Popen(
            [interpreter.absolute(), WORKER.absolute(), f"{name}.json", str(write_end)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[write_end],
            start_new_session=True,
        )
        os.close(write_end)
        try:
            said = _follow(events, silence_limit_s)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0 if "silent" in said else EXIT_LIMIT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    if "result" in said:
        return said["result"]
    raise ExportError(_failure(said, code, log_path))


def _follow(events, silence_limit_s: float) -> dict:
    """Show progress until the worker closes its end; returns all that it said, last words win."""
    said, pending = {}, b""
    with selectors.DefaultSelector() as selector, tqdm(unit="image", delay=2, leave=False) as bar:
        selector.register(events, selectors.EVENT_READ)
        while selector.select(timeout=silence_limit_s):
            received = events.read(65536)
            if not received:
                return said
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                said.update(json.loads(line))
            bar.set_description(f"rknn {said.get('step')}", refresh=False)
            bar.update(said.get("done", 0) - bar.n)
    return {**said, "silent": silence_limit_s}


def _failure(said: dict, code: int, log: Path) -> str:
    """Say what became of a worker that brought no result, and where to read more."""
    step = said.get("step", "start")
    if "error" in said:
        what = f"refused at {step}: {said['error']}"
    elif "silent" in said:
        what = f"said nothing for {said['silent']:.0f} s at {step} and was ended"
    elif code < 0:
        what = f"died by {signal.Signals(-code).name} at {step}"
    else:
        what = f"ended with exit code {code} at {step}"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    tail = "\n".join(f"  {line[:LINE_LENGTH]}" for line in lines[-LOG_LINES:])
    return f"rknn-toolkit2 {what}; the whole log is {log}, its end:\n{tail}"
