"""`edgeface door`, as its users type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeface.cli import main
from tests.door.doorstep import NAME, make_doorstep, open_people, visit, write_clip


@pytest.fixture(scope="module")
def door(tmp_path_factory, pipeline, grace_hopper_bgr, astronaut_bgr) -> Path:
    """A door.toml; beside it known.avi, stranger.avi."""
    folder = tmp_path_factory.mktemp("doors") / "door"
    file = make_doorstep(folder, pipeline, grace_hopper_bgr, source='"known.avi"')
    write_clip(folder / "known.avi", visit(grace_hopper_bgr))
    write_clip(folder / "stranger.avi", visit(astronaut_bgr, frames=20))
    return file


def _door(*arguments: object) -> int:
    return main(["door", *map(str, arguments)])


def test_new_writes_a_door_and_names_its_files(tmp_path, capsys):
    assert _door("--new", tmp_path / "front") == 0
    written = capsys.readouterr().out.split()
    assert [Path(path).name for path in written] == ["door.toml", "gallery.key", "audit.pem"]


def test_clip_of_somebody_enrolled_opens(door, capsys):
    assert _door("--config", door, "--simulate", door.parent / "known.avi") == 0
    assert "open  recognised" in capsys.readouterr().out


def test_clip_of_a_stranger_does_not(door, capsys):
    assert _door("--config", door, "--simulate", door.parent / "stranger.avi") == 3
    assert "deny" in capsys.readouterr().out


def test_the_same_clip_gives_the_same_decisions(door, capsys):
    def decisions() -> list:
        arguments = ("--simulate", door.parent / "known.avi", "--json")
        begins = ("--begins", "2026-11-27T09:00:00+00:00")
        _door("--config", door, *arguments, *begins)
        return json.loads(capsys.readouterr().out)

    first = decisions()
    assert first == decisions()
    opened = [entry for entry in first if entry.get("opens")]
    assert [entry["person"] for entry in opened] == [NAME]
    assert opened[0]["utc"].startswith("2026-11-27T09:00:01")


def test_simulation_goes_by_the_clips_time(door, capsys, tmp_path):
    text = door.read_text().replace('schedule = "always"', 'schedule = "office"', 1)
    office = door.with_name("office.toml")
    office.write_text(text)
    clip = door.parent / "known.avi"
    sunday, friday = "2026-11-29T09:00:00+00:00", "2026-11-27T09:00:00+00:00"
    assert _door("--config", office, "--simulate", clip, "--begins", friday) == 0
    assert _door("--config", office, "--simulate", clip, "--begins", sunday) == 3
    assert "schedule" in capsys.readouterr().out


@pytest.mark.parametrize("year", [2021, 2199])
def test_simulation_refuses_by_name_who_had_expired_at_the_clips_time(door, pipeline, capsys, year):
    """Whatever day it is now: the gallery's own clock does not decide at a door."""
    arguments = ("--config", door, "--simulate", door.parent / "known.avi", "--begins")
    with open_people(door.parent, pipeline) as gallery:
        gallery.describe(NAME, expires_at=f"{year}-02-01")
        assert _door(*arguments, f"{year}-01-31T09:00:00+00:00") == 0
        assert _door(*arguments, f"{year}-02-01T09:00:00+00:00") == 3
        gallery.describe(NAME, expires_at=None)
    assert f"deny  expired  {NAME}" in capsys.readouterr().out


def test_simulation_writes_no_log(door):
    before = sorted(door.parent.iterdir())
    _door("--config", door, "--simulate", door.parent / "known.avi")
    assert sorted(door.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--simulate", "nothing.avi"], "nothing.avi"),
        (["--simulate", "door.toml"], "door.toml"),
        (["--config", "nothing.toml"], "there is no"),
    ],
)
def test_what_cannot_be_read_is_one_line(door, arguments, text, capsys, monkeypatch):
    monkeypatch.chdir(door.parent)
    assert _door("--config", door, *arguments) == 1
    said = capsys.readouterr().err
    assert text in said and said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--bundle", "x.efb"], ["--begins", "2026-11-27T09:00Z"]])
def test_option_that_does_not_apply_is_refused(door, arguments, capsys):
    try:
        code = _door("--config", door, *arguments)
    except SystemExit as refused:
        code = refused.code
    assert code == 2


def test_check_opens_everything_and_releases_nothing(door, capsys):
    assert _door("--config", door, "--check") == 0
    assert "front: working, 1 people" in capsys.readouterr().out


def test_check_lets_nobody_in_and_waits_for_the_camera(door, capsys):
    """Whoever stands there meanwhile, at a door that opens by its first good frame."""
    text = door.read_text()
    hasty = text.replace("[decision]\n", "[decision]\nframes = 1\nof = 1\nwatch_s = 0\n", 1)
    file, log = door.with_name("hasty.toml"), door.parent / "hasty"
    file.write_text(hasty.replace('path = "audit"', 'path = "hasty"'))
    assert _door("--config", file, "--check") == 0
    (decided,) = [line for line in _lines(log) if line["kind"] == "decision"]
    assert (decided["outcome"], decided["reason"]) == ("deny", "maintenance")
    capsys.readouterr()
    file.write_text(text.replace('"known.avi"', '"rtsp://127.0.0.1:9/door"', 1))
    assert _door("--config", file, "--check") == 1
    assert "faulty: camera: rtsp://127.0.0.1:9/door" in capsys.readouterr().out


def _lines(log: Path) -> list[dict]:
    return [json.loads(line) for file in log.glob("*-*.jsonl") for line in file.open()]


def test_door_runs_until_it_is_told_to_stop_and_its_log_is_whole(door, repository):
    command = [sys.executable, "-m", "edgeface", "door", "--config", str(door)]
    process = subprocess.Popen(
        command, cwd=repository, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert "begins" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    log, public = door.parent / "audit", door.parent / "audit.pub.pem"
    assert main(["audit", "verify", str(log), "--public-key", str(public)]) == 0
