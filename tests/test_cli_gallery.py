"""``edgeface gallery``: keys, erasure, backups, a person's own data, by the command line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.gallery import Gallery
from edgeface.gallery_key import KEY_VARIABLE


@pytest.fixture(autouse=True)
def _own_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_GALLERY", str(tmp_path / "gallery.db"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def gallery(capsys: pytest.CaptureFixture[str]):
    """Run ``edgeface gallery`` in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(["gallery", *map(str, arguments)])
        except SystemExit as stop:  # argparse's way to say wrong usage
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def people(tmp_path: Path) -> None:
    """Ada with 2 templates and Bob with 1, of the default bundle's model."""
    bundle = Bundle.open()
    dim = bundle.stage("embedder")["dim"]
    rows = np.eye(3, dim, dtype=np.float32)
    with Gallery.open(tmp_path / "gallery.db", model_id=bundle.model_id, dim=dim) as opened:
        opened.enroll("Ada", rows[:2])
        opened.enroll("Bob", rows[2:])


def figures(result: tuple[int, str, str]) -> dict:
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def test_gallery_is_encrypted_and_opens_with_each_way_to_name_its_key(
    gallery, people, tmp_path, monkeypatch
) -> None:
    key = tmp_path / "door.key"
    assert gallery("new-key", key)[0] == 0
    gallery("backup", tmp_path / "copy.db")
    _, out, _ = gallery("encrypt", "--key", key)
    assert "encrypted 2 people" in out and str(tmp_path / "copy.db") in out
    code, _, err = gallery("list")
    assert code == 1 and "is encrypted and no key is given" in err
    printing = f"{sys.executable} -c {shlex.quote(f'print(open({str(key)!r}).read())')}"
    assert figures(gallery("check", "--json", "--key-command", printing))["encrypted"] is True
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    assert "Ada" in gallery("list")[1]
    assert "whole; encrypted" in gallery("check")[1]


def test_key_is_exchanged_for_a_passphrase(gallery, people, tmp_path, monkeypatch) -> None:
    gallery("new-key", tmp_path / "door.key")
    gallery("encrypt", "--key", tmp_path / "door.key")
    monkeypatch.setenv("DOOR_WORDS", "correct horse battery staple")
    words = ("rekey", "--key", tmp_path / "door.key", "--new-key-passphrase-env", "DOOR_WORDS")
    assert gallery(*words, "--reseal")[1] == "the gallery opens with the new key only\n"
    assert gallery("list", "--key", tmp_path / "door.key")[0] == 1
    assert "Ada" in gallery("list", "--key-passphrase-env", "DOOR_WORDS")[1]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("encrypt",), 2, "no key: give --key FILE; make one with"),
        (("rekey",), 2, "no new key: give --new-key FILE"),
        (("list", "--key", "a", "--key-command", "b"), 2, "--key is given in 2 ways: give one"),
        (("list", "--key", "none.key"), 1, "cannot read key file none.key"),
        (("describe", "Ada"), 2, "nothing to set: give --consent"),
        (("describe", "Ada", "--card", "12"), 2, "--card is '12'; expected facility:number"),
        (("describe", "Ada", "--expires", "soon"), 2, "expires_at is 'soon'; expected 2026-01-31"),
        (("describe", "Eve", "--block"), 1, "nobody is enrolled as 'Eve'"),
        (("erase", "Eve"), 1, "nobody is enrolled as 'Eve'"),
    ],
)
def test_wrong_usage_and_errors_are_told_apart(gallery, people, words, code, text) -> None:
    found = gallery(*words)
    assert found[0] == code and text in found[2]


def test_a_persons_own_data_is_set_and_listed(gallery, people) -> None:
    words = ("--consent", "2026-01-31", "--groups", "staff,night", "--card", "12:34567", "--block")
    assert "blocked; staff, night; card 12:34567" in gallery("describe", "Ada", *words)[1]
    listed = figures(gallery("list", "--json"))["people"]
    assert listed[0]["groups"] == ["staff", "night"] and listed[0]["blocked"] is True
    assert listed[0]["consent_at"] == "2026-01-31T00:00:00Z" and listed[1]["card"] is None
    gallery("describe", "Ada", "--unblock", "--card", "none", "--groups", "", "--consent", "none")
    assert gallery("describe", "Ada", "--expires", "none")[1] == "Ada: nothing set\n"
    code, _, err = gallery("describe", "Bob", "--card", "1:2", "--json")
    assert code == 0, err


def test_somebody_is_erased_with_a_receipt(gallery, people, tmp_path) -> None:
    gallery("backup", tmp_path / "copy.db")
    assert gallery("export-person", "Ada", tmp_path / "ada.json")[0] == 0
    assert json.loads((tmp_path / "ada.json").read_text())["person"]["name"] == "Ada"
    _, out, _ = gallery("erase", "Ada", "--receipt", tmp_path / "receipt.json")
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["head"] in out and "delete it" in out and receipt["templates"] == 2
    listed = figures(gallery("erasures", "--json"))["erasures"]
    assert [one["head"] for one in listed] == [receipt["head"]]
    assert receipt["head"] in gallery("erasures")[1]
    assert "Ada" not in gallery("list")[1]


def test_gallery_of_another_model_is_taken_over_by_migrate(gallery, tmp_path) -> None:
    with Gallery.open(tmp_path / "gallery.db", model_id="0" * 16, dim=8) as opened:
        opened.enroll("Ada", np.eye(1, 8, dtype=np.float32))
    code, _, err = gallery("list")
    assert code == 1 and "run edgeface gallery migrate" in err
    assert "1 of 1 must be enrolled again" in gallery("migrate")[1]
    assert "1 must be enrolled again" in gallery("list")[1]
    assert gallery("drop-replaced")[1] == "deleted 0 templates of other models\n"
