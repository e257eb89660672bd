"""The bench programs run, check what they time, and need none of the peers.

Numbers are not judged here: this machine may be busy. ``make bench`` is for that.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import bench_match
from tests.bench import machine, peers, report
from tests.bench.contender import interleaved

PEERS = ("faiss-cpu", "usearch", "simsimd", "numkong")
QUICK = ["--threads", "1", "--seconds", "0.01", "--json"]


@pytest.fixture
def no_peers(monkeypatch) -> None:
    found = machine.installed
    monkeypatch.setattr(peers, "installed", lambda name: None if name in PEERS else found(name))
    monkeypatch.setattr(machine, "BANDWIDTH_BYTES", 1 << 20)


@pytest.fixture
def match_file(no_peers, tmp_path) -> Path:
    file = tmp_path / "match.json"
    bench_match.main(["--sizes", "700", "--real-sizes", *QUICK, str(file)])
    return file


@pytest.fixture(scope="module")
def head_file(tmp_path_factory) -> Path:
    from tests import bench_head

    file = tmp_path_factory.mktemp("head") / "head.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_head, "data_folder", lambda: None)
        patch.setattr(bench_head, "PHOTOS", 8)
        patch.setattr(bench_head, "CALIBRATION_PHOTOS", 16)
        bench_head.main(["--batches", "1", *QUICK, str(file)])
    return file


def test_match_bench_runs_without_peers_and_names_them(capsys, match_file) -> None:
    rows = json.loads(match_file.read_text())["rows"]
    assert {row["name"] for row in rows} == {"edgeface", "edgeface ≥ τ", "NumPy matmul"}
    assert {row["batch"] for row in rows} == {1, 32}
    assert all(row["recall"] == 1 and row["ms"] > 0 for row in rows)
    printed = capsys.readouterr().out
    for name in PEERS:
        assert f"{name}: not installed" in printed


@pytest.mark.parametrize("package", ["numpy", *PEERS])
def test_peer_finds_the_best_rows(package: str) -> None:
    if machine.installed(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'edgeface[bench]'")
    random = np.random.default_rng(3)
    rows = random.standard_normal((500, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gallery, probes = peers.Gallery(rows), np.ascontiguousarray(rows[[7, 400]])
    word = "NumPy" if package == "numpy" else package.split("-")[0]
    found = [p for kind in ("float32", "int8") for p in peers.peers(kind, threads=1)]
    own = [peer for peer in found if peer.name.startswith(word)]
    assert own, [peer.name for peer in found]
    for peer in own:
        answers = peer.search(peer.build(gallery), peer.prepare(gallery, probes))
        assert [int(indices[0]) for indices in answers] == [7, 400], peer.name


def test_wrong_answer_of_ours_stops_the_bench(no_peers, monkeypatch) -> None:
    wrong = bench_match.CosineIndex.search
    monkeypatch.setattr(
        bench_match.CosineIndex,
        "search",
        lambda self, probe, k, threshold=None: wrong(self, -probe, k),
    )
    with pytest.raises(SystemExit, match="not exact"):
        bench_match.main(["--sizes", "700", "--real-sizes", *QUICK[:-1]])


def test_head_bench_runs_and_every_contender_computes_the_head(head_file) -> None:
    rows = json.loads(head_file.read_text())["rows"]
    assert {"torch Head", "onnxruntime ORT_ENABLE_ALL"} <= {row["name"] for row in rows}
    assert any(row["ours"] for row in rows)
    assert all(row["cosine"] > (0.999999 if row["precision"] == "float32" else 0.9) for row in rows)


def test_page_has_every_contender_and_is_the_same_twice(match_file, head_file, tmp_path) -> None:
    pages = []
    for name in ("once.md", "again.md"):
        out = tmp_path / name
        report.main(["--match", str(match_file), "--head", str(head_file), "--out", str(out)])
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    for file in (match_file, head_file):
        for row in json.loads(file.read_text())["rows"]:
            assert f"| {row['name']} |" in pages[0]


def test_contenders_take_turns_and_every_second_round_goes_backwards() -> None:
    turns = []
    calls = {name: [lambda n=name: turns.append(n) or sum(range(200_000))] for name in "ABC"}
    interleaved(calls, seconds=0)
    rounds = "".join(name for name, after in zip(turns, [*turns[1:], ""]) if name != after)
    assert rounds == "ABC" + "ABCBA"  # each once or more to see how long it takes, then in turns


@pytest.mark.parametrize("count", [5, 6, 127, 640, 641, 5000])
def test_peers_ranking_is_a_full_sort(count: int) -> None:
    scores = np.random.default_rng(count).integers(-50, 50, count).astype(np.float32)
    expected = np.sort(scores)[::-1][: peers.K]
    np.testing.assert_array_equal(scores[peers.best(scores)], expected)


@pytest.fixture(scope="module")
def peers_page(tmp_path_factory) -> str:
    from tests import bench_peers

    page = tmp_path_factory.mktemp("peers") / "peers.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_peers, "data_folder", lambda: None)
        bench_peers.main(["--threads", "1", "--seconds", "0.01", "--page", str(page)])
    return page.read_text()


def test_peers_bench_finds_the_face_with_every_contender(peers_page: str) -> None:
    rows = [line.split(" | ") for line in peers_page.splitlines() if " ms ×" in line]
    names = [row[0].strip("| ") for row in rows]
    assert {"edgeface onnx whole", "edgeface onnx split"} <= set(names)
    assert all(row[-2] == "2 of 2" and row[-1].strip(" |") == "2" for row in rows), peers_page
    assert any("facenet" in name for name in names) == bool(machine.installed("facenet-pytorch"))


def test_peers_without_the_data_folder_are_those_that_bring_weights() -> None:
    from tests.bench import end_to_end

    assert all("YuNet" not in peer.name for peer in end_to_end.peers(1, None))


@pytest.mark.parametrize(
    ("other", "expected"), [((0, 0, 4, 4), 1.0), ((2, 0, 4, 4), 1 / 3), ((4, 4, 2, 2), 0.0)]
)
def test_overlap_is_intersection_over_union(other: tuple, expected: float) -> None:
    from tests.bench_peers import overlap

    found = overlap(np.float32((0, 0, 4, 4)), np.float32(other))
    assert found == pytest.approx(expected)


def test_stand_in_for_torchvision_suppresses_as_its_definition_says() -> None:
    torch = pytest.importorskip("torch")
    from tests.bench.torchvision_stub import batched_nms

    corners = np.float32([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    boxes, scores = torch.tensor(corners), torch.tensor([0.6, 0.9, 0.7, 0.8])
    groups = torch.tensor([0.0, 0.0, 1.0, 0.0])
    assert batched_nms(boxes, scores, groups, 0.5).tolist() == [1, 3, 2]
