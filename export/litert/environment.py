"""litert-torch's own environment, and its worker as a subprocess, which can die by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from export.errors import ExportError

VARIABLE = "LITERT_VENV"
ROOT = Path(__file__).parents[2]
TIME_LIMIT_S = 1800  # the slowest took 146 s, on a machine with ten other jobs
LOG_LINES, LINE_LENGTH = 6, 300


def python(environment: Path | None = None) -> Path:
    """Return the interpreter of the environment: a folder, ``$LITERT_VENV`` or ``.venv-litert``.

    Raises
    ------
    ExportError
        There is none.
    """
    folder = Path(environment or os.environ.get(VARIABLE, ROOT / ".venv-litert"))
    found = folder / "bin" / "python"
    if not found.exists():
        raise ExportError(
            f"no litert-torch at {folder}: make it with 'make litert-env', which needs 2.1 GB, or "
            f"set {VARIABLE} to one"
        )
    return found


def run_job(job: dict, *, folder: Path, environment: Path | None = None) -> dict:
    """Do one job of `export.litert_worker` in ``folder``; the log stays there as ``litert.log``.

    Raises
    ------
    ExportError
        No such environment, or the converter refused, died or took too long.
    """
    interpreter, log = python(environment), folder / "litert.log"
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    (folder / "job.json").write_text(json.dumps(job, indent=1) + "\n")
    command = [str(interpreter.absolute()), "-m", "export.litert_worker", str(folder / "job.json")]
    quiet = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **quiet},
                timeout=TIME_LIMIT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"litert-torch took over {TIME_LIMIT_S} s; its log: {log}") from error
    if code or not result.exists():
        raise ExportError(_failure(code, log))
    return json.loads(result.read_text())


def _failure(code: int, log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    tail = "\n".join(f"  {line[-LINE_LENGTH:]}" for line in lines[-LOG_LINES:])
    how = f"died by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
    return f"litert-torch {how}; the whole log is {log}, its end:\n{tail}"
