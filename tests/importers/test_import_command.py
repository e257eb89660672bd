"""``python -m export import``: what must be said is asked for, and what was found is printed."""

from __future__ import annotations

import pytest

from export.__main__ import main
from export.errors import ExportError
from export.importers import command
from export.importers.known import PREPROCESSINGS
from export.preprocessing import Preprocessing
from export.source import Source
from tests.importers.embedders import SIDE, Cnn, export

FULL = {"--colour": "BGR", "--mean": "1,2,3", "--std": "4,5,6", "--size": str(SIDE)}


def words(options: dict) -> list[str]:
    return [word for option in options.items() for word in option]


@pytest.fixture
def arguments(tmp_path):
    file = export(Cnn(), tmp_path / "net.onnx")
    return ["import", "--kind", "onnx", str(file), "--out", str(tmp_path)]


def test_preprocessing_in_full(arguments, tmp_path, capsys):
    assert main([*arguments, *words(FULL), "--licence", "MIT", "--name", "mine"]) == 0
    source = Source.load(tmp_path / "float")
    assert source.preprocessing == Preprocessing("BGR", (1, 2, 3), (4, 5, 6), SIDE)
    assert (source.name, source.licence["weights"]) == ("mine", "MIT")
    assert "mine, 32 numbers" in capsys.readouterr().out


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_preprocessing_by_name(name, tmp_path):
    side = PREPROCESSINGS[name].size
    file = export(Cnn(), tmp_path / "net.onnx", shape=(1, 3, side, side))
    options = ["--kind", "onnx", str(file), "--out", str(tmp_path), "--preprocessing", name]
    assert main(["import", *options]) == 0
    assert Source.load(tmp_path / "float").preprocessing == PREPROCESSINGS[name]


def asked(options: list[str]):
    import argparse

    parser = argparse.ArgumentParser()
    command.add_import_options(parser)
    return command.asked_preprocessing(parser.parse_args(options))


def test_nothing_said_is_nothing_assumed():
    assert asked([]) is None


@pytest.mark.parametrize("missing", FULL)
def test_part_of_the_preprocessing_is_refused(missing):
    part = {option: value for option, value in FULL.items() if option != missing}
    with pytest.raises(ExportError, match=f"without {missing}: give all four"):
        asked(words(part))


def test_both_ways_at_once_and_nonsense_are_refused():
    with pytest.raises(ExportError, match="one or the other"):
        asked(["--preprocessing", "arcface", *words(FULL)])
    with pytest.raises(ExportError, match="'arcfase', expected one of arcface"):
        asked(["--preprocessing", "arcfase"])
    with pytest.raises(ExportError, match="std positive"):
        asked(words({**FULL, "--std": "0,1,1"}))
    with pytest.raises(SystemExit):
        asked(words({**FULL, "--mean": "127.5"}))


def test_the_real_mobilefacenet(data_folder, tmp_path, capsys):
    file = data_folder / "teachers" / "mobilefacenet.onnx"
    assert main(["import", "--kind", "mobilefacenet", str(file), "--out", str(tmp_path)]) == 0
    source = Source.load(tmp_path / "float")
    assert (source.dim, source.preprocessing) == (128, PREPROCESSINGS["imagenet"])
    assert source.licence["weights"] == "Apache-2.0"


def test_another_mobilefacenet_is_not_taken_for_the_published_one(tmp_path, capsys):
    file = export(Cnn(), tmp_path / "net.onnx")
    assert main(["import", "--kind", "mobilefacenet", str(file), "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "no layer conv3, gdconv.depthwise" in said
    assert "--kind onnx" in said
