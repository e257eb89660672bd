"""The toolkit's process: whatever way it ends, the caller gets a result or a clear error.

A stand-in environment runs a shell script where Python would be: it really dies by a signal.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from export.errors import ExportError
from export.rknn.toolkit import run_job

SAY = """say() { echo "$1" >&"$events"; }\n"""


def environment(folder: Path, script: str) -> Path:
    """A folder like a virtual environment, whose python is a script; $events is the pipe."""
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/bash\nevents=$3\n{SAY}{script}\n")
    python.chmod(0o755)
    return folder / "venv"


def run_script(folder: Path, script: str, **options: float) -> dict:
    return run_job(
        {"onnx": "model.onnx"},
        folder=folder,
        name="convert",
        environment=environment(folder, script),
        **options,
    )


def test_the_result_comes_back_and_the_words_are_kept(tmp_path: Path) -> None:
    result = run_script(
        tmp_path,
        """echo compiling; say '{"step": "build"}'; say '{"done": 3}'
        say '{"result": {"toolkit": "2.5.0"}}'""",
    )
    assert result == {"toolkit": "2.5.0"}
    assert (tmp_path / "convert.log").read_text() == "compiling\n"
    assert "model.onnx" in (tmp_path / "convert.json").read_text()


@pytest.mark.parametrize("name", ["SEGV", "FPE", "KILL"])
def test_death_by_signal_names_it_and_the_step_and_the_log(tmp_path: Path, name: str) -> None:
    script = f"""say '{{"step": "build"}}'; echo OpEmit started; kill -{name} $$"""
    with pytest.raises(ExportError, match=rf"died by SIG{name} at build") as caught:
        run_script(tmp_path, script)
    assert "OpEmit started" in str(caught.value)
    assert str(tmp_path / "convert.log") in str(caught.value)


def test_a_refusal_of_the_toolkit_is_passed_on(tmp_path: Path) -> None:
    script = (
        """say '{"step": "load_onnx"}'; say '{"error": "Refused: load_onnx returned -1"}'; exit 1"""
    )
    with pytest.raises(ExportError, match="refused at load_onnx: Refused: load_onnx returned -1"):
        run_script(tmp_path, script)


def test_an_exit_without_a_word_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="exit code 3 at start"):
        run_script(tmp_path, "exit 3")


def test_an_exit_code_of_0_without_a_result_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="exit code 0 at start"):
        run_script(tmp_path, "exit 0")


def test_a_hung_toolkit_is_ended_with_its_children(tmp_path: Path) -> None:
    script = """say '{"step": "build"}'; sleep 300 & echo $! > child; wait"""
    started = time.monotonic()
    with pytest.raises(ExportError, match="said nothing for 1 s at build and was ended"):
        run_script(tmp_path, script, silence_limit_s=1.0)
    assert time.monotonic() - started < 30
    assert _gone(int((tmp_path / "child").read_text()))


def _gone(process: int) -> bool:
    for _ in range(100):
        status = Path(f"/proc/{process}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_missing_environment_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="make rknn-env"):
        run_job({}, folder=tmp_path, name="convert", environment=tmp_path / "none")
