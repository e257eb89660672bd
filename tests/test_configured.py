"""Settings: read strictly, written without touching what the owner wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeface.configured import Settings, settings, settings_path, write_settings
from edgeface.errors import BoardError

WRITTEN = """\
# the door of building 7
[embedder]
threads = 1  # measured in May
runtime = "onnx"

[door]
relay = "gpiochip1:23"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch) -> Path:
    """A settings file that EDGEFACE_CONFIG names; not there yet."""
    file = tmp_path / "etc" / "edgeface.toml"
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    return file


def test_nothing_is_configured_without_a_file(path: Path) -> None:
    assert settings() == Settings(None, None, None, None)


def test_what_is_written_is_read(path: Path) -> None:
    chosen = Settings(runtime="tflite", variant="split", threads=2, cpus=(4, 5))
    assert write_settings(chosen) == path
    assert settings() == chosen


def test_writing_keeps_comments_and_other_tables(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(WRITTEN)
    write_settings(Settings(threads=4, cpus=(0, 1)), path)
    text = path.read_text()
    assert text.startswith("# the door of building 7\n")
    assert "threads = 4  # measured in May" in text and 'relay = "gpiochip1:23"' in text
    assert "runtime" not in text
    assert settings() == Settings(threads=4, cpus=(0, 1))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('runtime = "cuda"', 'runtime: found "cuda", expected one of'),
        ("threads = 0", "threads: found 0, expected at least 1"),
        ("threads = true", "threads: found true, expected integer"),
        ("cpus = []", "cpus: found .., expected a count of at least 1"),
        ("cpus = [-1]", r"cpus\[0\]: found -1"),
        ('cpus = "4-7"', 'cpus: found "4-7", expected array'),
        ("treads = 2", "treads: there is no such field"),
        ("threads = ", "is not TOML"),
    ],
)
def test_setting_that_cannot_be_is_refused(path: Path, line: str, text: str) -> None:
    path.parent.mkdir()
    path.write_text(f"[embedder]\n{line}\n")
    with pytest.raises(BoardError, match=f"edgeface.toml.*{text}"):
        settings()


def test_embedder_that_is_no_table_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("embedder = 3\n")
    with pytest.raises(BoardError, match="the whole document: found 3, expected object"):
        settings()
    with pytest.raises(BoardError, match="embedder is no table"):
        write_settings(Settings(threads=1))
    assert path.read_text() == "embedder = 3\n"


def test_file_that_is_no_toml_is_not_overwritten(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[embedder\n")
    with pytest.raises(BoardError, match="is not TOML"):
        write_settings(Settings(threads=1))
    assert path.read_text() == "[embedder\n"


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BoardError, match="pipe: it is no plain file"):
        write_settings(Settings(threads=1), tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_default_file_is_under_the_boards_root(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("EDGEFACE_CONFIG")
    assert settings_path() == Path("/etc/edgeface/edgeface.toml")
    monkeypatch.setenv("EDGEFACE_BOARD_ROOT", str(tmp_path))
    assert settings_path() == tmp_path / "etc/edgeface/edgeface.toml"
