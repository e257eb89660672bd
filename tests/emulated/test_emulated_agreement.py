"""One bundle on x86-64, A72 and A55: as near as docs/emulated.md says, and no farther."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.verify.machine import Machine
from tests.emulated import agreement

FACES = 6
# Below docs/emulated.md's least of 200 faces, for PCs with other instructions than that one.
LEAST_COSINE = {
    "onnx whole": 0.98,
    "onnx split": 0.985,
    "tflite whole": 0.997,
    "tflite split": 0.999,
}


@pytest.mark.emulated
def test_machines_agree_on_real_faces(
    machine: Machine, package: Path, data_folder: Path, tmp_path: Path
) -> None:
    crops, _ = agreement.people(data_folder)
    found = agreement.embed_everywhere(machine, package, crops[:FACES], tmp_path)
    assert set(found) == {agreement.HERE, "cortex-a72", "cortex-a55"}
    for row in agreement.compare(found, np.array([[0, 1], [0, FACES - 1]]), 0.39):
        least = LEAST_COSINE[row.file] if agreement.HERE in row.machines else 0.99999
        assert row.least_cosine >= least, row


def test_pairs_are_a_thousand_with_every_genuine_one() -> None:
    names = np.repeat(np.arange(agreement.PEOPLE), agreement.PHOTOS_EACH)
    pairs = agreement.choose_pairs(names)
    assert len(np.unique(pairs, axis=0)) == agreement.PAIRS
    same = names[pairs[:, 0]] == names[pairs[:, 1]]
    assert same.sum() == agreement.PEOPLE * agreement.PHOTOS_EACH * (agreement.PHOTOS_EACH - 1) / 2


def test_a_decision_that_differs_is_counted_with_its_distance() -> None:
    def rows(cosine: float) -> dict[str, np.ndarray]:
        return {"file": np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]])}

    places = {agreement.HERE: rows(0.40), "cortex-a72": rows(0.38), "cortex-a55": rows(0.41)}
    found = agreement.compare(places, np.array([[0, 1]]), 0.39)
    differ = {row.machines: (row.differ, round(row.farthest, 6)) for row in found}
    assert differ == {"x86-64, A72": (1, 0.01), "x86-64, A55": (0, 0.0), "A72, A55": (1, 0.02)}
