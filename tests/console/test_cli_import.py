"""``edgeface site``: a door's gallery moves in, and the index is built, beside a running site."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from edgeface.gallery import Gallery
from edgeface.site.nearest import nearest
from tests.bench.site_people import plain_crowd
from tests.console.serving import Served


def site(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = str(served.folder / "site.toml")
    command = [sys.executable, "-m", "edgeface", "site", "--config", config, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_gallery_of_a_door_moves_into_a_running_site_and_is_found_by_the_index(served, tmp_path):
    crowd = plain_crowd()
    rows = crowd.photos(crowd.people(3, seed=1), seed=2)
    model_id = served.site.people.model_id
    with Gallery.open(tmp_path / "gallery.db", model_id=model_id) as gallery:
        for number, row in enumerate(rows):
            gallery.enroll(f"moved {number}", row[None])
        gallery.export_file(tmp_path / "door.efg")
    first, again, index = (
        site(served, "--import-gallery", str(tmp_path / "door.efg")),
        site(served, "--import-gallery", str(tmp_path / "door.efg")),
        site(served, "--build-index"),
    )
    assert (first.returncode, first.stdout) == (0, "added 3 people, 3 templates\n"), first.stderr
    assert (again.returncode, again.stdout) == (0, "added 0 people, 0 templates\n")
    assert index.returncode == 0, index.stderr
    for number, row in enumerate(rows):
        uid = served.site.people.by_name(f"moved {number}").uid
        assert nearest(served.site.database, row, count=1)[0].uid == uid
        served.site.people.erase(uid, by="user:test")


def test_gallery_of_another_model_is_one_line(served, tmp_path):
    with Gallery.open(tmp_path / "gallery.db", model_id="model-b", dim=8) as gallery:
        gallery.enroll("Ada", np.eye(1, 8, dtype=np.float32))
        gallery.export_file(tmp_path / "door.efg")
    refused = site(served, "--import-gallery", str(tmp_path / "door.efg"))
    assert refused.returncode == 1 and "model-b" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
