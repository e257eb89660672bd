"""The command line: exit codes, JSON, and one line on stderr when something is wrong."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edgeface.cli import COMMANDS, main
from edgeface.cli_store import gallery_path


@pytest.fixture(autouse=True)
def _own_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_GALLERY", str(tmp_path / "gallery.db"))


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str]):
    """Run one command in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's way to say wrong usage
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def _json(result: tuple[int, str, str], *, code: int = 0) -> dict:
    assert result[0] == code, result[2]
    return json.loads(result[1])


def test_verify_says_same_person_with_0(edgeface, photos: Path) -> None:
    code, out, err = edgeface("verify", photos / "collins.png", photos / "collins_mirrored.jpg")
    assert (code, err) == (0, "")
    assert out.startswith("same person: cosine") and "px between the eyes" in out


def test_verify_says_different_people_with_3(edgeface, photos: Path) -> None:
    result = edgeface("verify", photos / "collins.png", photos / "hopper.jpg", "--json")
    report = _json(result, code=3)
    assert report["same"] is False and report["score"] < report["threshold"]
    assert all(photo["faces_found"] >= 1 for photo in report["photos"])
    assert list(report["photos"][0]["milliseconds"]) == ["decode", "detect", "align", "embed"]


def test_verify_saves_a_picture_of_both(edgeface, photos: Path, tmp_path: Path) -> None:
    saved = tmp_path / "both.png"
    edgeface("verify", photos / "collins.png", photos / "hopper.jpg", "--save", saved)
    assert cv2.imread(str(saved)).shape[0] == 656


def test_enrolled_person_is_identified_and_a_stranger_is_not(edgeface, photos: Path) -> None:
    enrolled = _json(edgeface("enroll", "Eileen Collins", photos / "collins.png", "--json"))
    assert enrolled["templates_added"] == 1 and enrolled["warnings"] == []
    report = _json(edgeface("identify", photos / "both.jpg", "--json"))
    assert {face["identity"] for face in report["faces"]} == {"Eileen Collins", None}
    stranger = _json(edgeface("identify", photos / "hopper.jpg", "--json"), code=3)
    assert stranger["faces"][0]["reason"] == "below_threshold"


def test_identify_prints_names_and_saves_them(edgeface, photos: Path, tmp_path: Path) -> None:
    edgeface("enroll", "Zoë Žižek", photos / "collins.png")
    saved = tmp_path / "found.png"
    code, out, _ = edgeface("identify", photos / "both.jpg", "--save", saved)
    assert code == 0 and "Zoë Žižek" in out and "unknown" in out
    before, after = cv2.imread(str(photos / "both.jpg")), cv2.imread(str(saved))
    assert before.shape == after.shape and (before != after).any()


@pytest.mark.parametrize("more", [[], ["--expires", "2020-01-01"]])
def test_enrolling_a_face_under_a_second_name_warns(edgeface, photos: Path, more: list) -> None:
    edgeface("enroll", "Eileen", photos / "collins.png", *more)
    report = _json(edgeface("enroll", "Grace", photos / "collins_mirrored.jpg", "--json"))
    assert "looks like 'Eileen'" in report["warnings"][0]


def test_enrolling_two_different_people_as_one_warns(edgeface, photos: Path) -> None:
    _, out, _ = edgeface("enroll", "Eileen", photos / "collins.png", photos / "hopper.jpg")
    assert "does not look like" in out


@pytest.mark.parametrize(
    ("bad", "expected"), [("both.jpg", "2 faces found"), ("nobody.png", "no face found")]
)
def test_one_unfit_photo_enrols_nothing(edgeface, photos: Path, bad: str, expected: str) -> None:
    code, out, err = edgeface("enroll", "Eileen", photos / "collins.png", photos / bad)
    assert (code, out) == (1, "") and expected in err and len(err.splitlines()) == 1
    assert _json(edgeface("gallery", "list", "--json"))["people"] == []


def test_bystander_in_the_background_does_not_count(edgeface, photos: Path, tmp_path: Path) -> None:
    collins, hopper = (cv2.imread(str(photos / name)) for name in ("collins.png", "hopper.jpg"))
    collins[380:, 400:] = cv2.resize(hopper, (112, 132), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "background.png"), collins)
    assert edgeface("enroll", "Eileen", tmp_path / "background.png")[0] == 0


def test_blurred_photo_is_enrolled_only_by_force(edgeface, photos: Path, tmp_path: Path) -> None:
    blurred = tmp_path / "blurred.png"
    cv2.imwrite(str(blurred), cv2.GaussianBlur(cv2.imread(str(photos / "collins.png")), (0, 0), 4))
    code, _, err = edgeface("enroll", "Eileen", blurred)
    assert code == 1 and "blurred" in err and "--force" in err
    assert edgeface("enroll", "Eileen", blurred, "--force")[0] == 0


def test_largest_face_is_enrolled_when_asked(edgeface, photos: Path) -> None:
    assert edgeface("enroll", "Grace", photos / "both.jpg", "--largest")[0] == 0
    report = _json(edgeface("identify", photos / "hopper.jpg", "--json"))
    assert report["faces"][0]["identity"] == "Grace"


def test_gallery_goes_round_through_a_file(edgeface, photos: Path, tmp_path: Path) -> None:
    edgeface("enroll", "Eileen", photos / "collins.png")
    exported, other = tmp_path / "people.efg", ("--gallery", tmp_path / "other.db")
    assert edgeface("gallery", "export", exported)[0] == 0
    assert _json(edgeface("gallery", "import", exported, *other, "--json"))["people_added"] == 1
    assert _json(edgeface("gallery", "remove", "Eileen", "--json"))["people"] == 0
    listed = _json(edgeface("gallery", *other, "list", "--json"))["people"]
    assert [person["name"] for person in listed] == ["Eileen"]
    assert "Eileen" in edgeface("gallery", "list", *other)[1]


def test_removing_nobody_fails(edgeface, photos: Path) -> None:
    edgeface("enroll", "Eileen", photos / "collins.png")
    code, _, err = edgeface("gallery", "remove", "Nobody")
    assert code == 1 and "'Nobody'" in err


def test_info_names_bundle_model_runtime_and_licences(edgeface) -> None:
    report = _json(edgeface("info", "--json"))
    assert report["native"]["isa"] in report["native"]["supported"]
    assert len(report["bundle"]["model_id"]) == 16
    assert report["bundle"]["licences"]["weights"]
    text = edgeface("info")[1]
    isa = report["native"]["isa"]
    for expected in (report["version"], "onnxruntime", "threshold", "licences", isa):
        assert expected in text


def test_selftest_passes(edgeface) -> None:
    report = _json(edgeface("selftest", "--json"))
    assert report["ok"] and report["native_search_agrees"] and report["embedding_cosine"] > 0.99
    assert edgeface("selftest")[1].endswith("self-test passed\n")


def test_every_command_takes_either_variant(edgeface, photos: Path) -> None:
    split, whole = (("--variant", variant, "--json") for variant in ("split", "whole"))
    selftest = _json(edgeface("selftest", *split))
    assert selftest["variant"] == "split" and selftest["embedding_cosine"] > 0.99
    assert _json(edgeface("selftest", *whole))["variant"] == "whole"
    pair = (photos / "collins.png", photos / "collins_mirrored.jpg")
    scores = [_json(edgeface("verify", *pair, *more))["score"] for more in (split, whole)]
    assert scores[0] == pytest.approx(scores[1], abs=0.03) and scores[0] != scores[1]
    _json(edgeface("enroll", "Eileen", photos / "collins.png", *whole))
    found = _json(edgeface("identify", photos / "collins_mirrored.jpg", *split))
    assert found["faces"][0]["identity"] == "Eileen"


def test_info_lists_both_variants_and_the_default(edgeface) -> None:
    embedder = _json(edgeface("info", "--json"))["bundle"]["stages"]["embedder"]
    assert embedder["split"]["head"]["precision"] == "int8"
    assert embedder["bytes"] > embedder["split"]["bytes"] > 500_000
    assert "variants: whole and split (default: split)" in edgeface("info")[1]


def test_demo_finds_and_names_everyone(edgeface, tmp_path: Path) -> None:
    saved = tmp_path / "demo.png"
    report = _json(edgeface("demo", "--json", "--save", saved))
    assert all(answer["found"] and answer["right"] for answer in report["answers"])
    assert {answer["identity"] for answer in report["answers"]} == {"Eileen Collins", None}
    assert list(report["milliseconds"]) == ["decode", "detect", "align", "embed", "match"]
    assert cv2.imread(str(saved)).shape == (800, 1280, 3)
    code, out, _ = edgeface("demo", "--save", saved)
    assert code == 0 and "6 of 6 answers are right" in out and "public domain" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "required: COMMAND"),
        (("dance",), "invalid choice: 'dance'"),
        (("verify", "one.jpg"), "required: B"),
        (("verify", "a.jpg", "b.jpg", "--far", "much"), "invalid float"),
        (("verify", "a.jpg", "b.jpg", "--far", "0.5"), "no threshold for a false accept rate"),
        (("enroll", "Eileen"), "required: PHOTO"),
        (("enroll", " ", "a.jpg"), "name is empty"),
        (("identify", "a.jpg", "--threads", "0"), "not at least 1"),
        (("gallery",), "required: ACTION"),
    ],
)
def test_wrong_usage_is_2(edgeface, arguments: tuple, expected: str) -> None:
    code, out, err = edgeface(*arguments)
    assert (code, out) == (2, "") and expected in err


def test_unknown_isa_in_the_environment_is_wrong_usage() -> None:
    environment = {**os.environ, "EDGEFACE_ISA": "abacus"}
    command = [sys.executable, "-m", "edgeface", "info"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "abacus" in done.stderr and len(done.stderr.splitlines()) == 1


def test_picture_of_unknown_kind_is_wrong_usage(edgeface, photos: Path) -> None:
    both = (photos / "collins.png", photos / "collins.png")
    code, _, err = edgeface("verify", *both, "--save", "result.gif")
    assert code == 2 and "'.gif'" in err


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"eval"}))
def test_help_of_every_command_has_exit_codes_or_examples(edgeface, command: str) -> None:
    code, out, _ = edgeface(command, "--help")
    assert code == 0 and "--json" in out and ("examples:" in out or "exit codes:" in out)


def test_help_needs_neither_opencv_nor_a_runtime() -> None:
    code = (
        "import sys\nfrom edgeface.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print([m for m in ('cv2', 'numpy', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("[]\n")


def test_module_runs_as_the_command(photos: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgeface", "verify", photos / "collins.png", photos / "hopper.jpg"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("different people")


def test_version_is_the_packages(edgeface) -> None:
    import edgeface as package

    assert edgeface("--version")[1] == f"edgeface {package.__version__}\n"


def test_gallery_lies_in_the_users_data_folder_unless_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing = argparse.Namespace(gallery=None)
    assert gallery_path(nothing) == tmp_path / "gallery.db"
    monkeypatch.delenv("EDGEFACE_GALLERY")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert gallery_path(nothing) == Path("/data/edgeface/gallery.db")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert gallery_path(nothing) == Path.home() / ".local/share/edgeface/gallery.db"
    assert gallery_path(argparse.Namespace(gallery="here.db")) == Path("here.db")
