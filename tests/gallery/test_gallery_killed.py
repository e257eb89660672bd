"""Killed, or several at once: nothing acknowledged is lost, nothing is half written."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time

import numpy as np
import pytest

from edgeface.errors import GalleryError
from edgeface.gallery import Gallery
from edgeface.gallery_database import create_database
from edgeface.gallery_person import PersonRecord
from edgeface.gallery_store import GalleryStore
from tests.faults import forked, in_child
from tests.gallery.conftest import MODEL

T = 16  # templates per person


def templates_of(person: int) -> np.ndarray:
    rows = np.random.default_rng(person).standard_normal((T, 512)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def record_of(person: int) -> PersonRecord:
    return PersonRecord(f"p{person:04}", "2026-01-31T12:00:00Z")


def check_whole(path, *, at_least: int) -> int:
    """Everybody up to some number is there with every template; return that number."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    with Gallery.open(path, model_id=MODEL) as gallery:
        people = gallery.people()
        assert [person.name for person in people] == [f"p{i:04}" for i in range(len(people))]
        assert {person.templates for person in people} <= {T}
        assert len(people) in (at_least, at_least + 1)  # the one not acknowledged: all or nothing
        for person in {0, len(people) - 1} if people else ():
            row = templates_of(person)[T - 1]
            assert gallery.verify(f"p{person:04}", row, threshold=0.9999)
    return len(people)


def test_killed_at_any_moment_loses_nothing_and_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "gallery.db"
    moments = random.Random(0)
    known = 0

    def enroll_for_ever(acknowledge) -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            for person in range(known, 10_000):
                gallery.enroll(f"p{person:04}", templates_of(person))
                acknowledge(b".")

    for _ in range(15):
        with forked(enroll_for_ever) as child:
            acknowledged = child.read(1)
            time.sleep(moments.uniform(0, 0.015))
            os.kill(child.pid, signal.SIGKILL)
            acknowledged += child.read()
        known = check_whole(path, at_least=known + len(acknowledged))
    assert known > 15


@pytest.mark.parametrize("written", [0, 1, T - 1, T])
def test_killed_inside_the_transaction_leaves_no_trace(tmp_path, written):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        gallery.enroll("p0000", templates_of(0))

    def die_in_between(acknowledge) -> None:
        store = GalleryStore(path, model_id=MODEL, dim=512, create=False)

        def rows():
            yield from templates_of(1)[:written]
            os.kill(os.getpid(), signal.SIGKILL)

        with store.writing():
            acknowledge(b".")
            store.add("p0001", rows(), record=record_of(1))

    with forked(die_in_between) as child:
        assert child.read() == b"."
    assert os.WTERMSIG(child.status) == signal.SIGKILL
    assert check_whole(path, at_least=1) == 1


def test_killed_after_much_of_it_reached_the_disk_leaves_no_trace(tmp_path):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        gallery.enroll("p0000", templates_of(0))

    def die_late(acknowledge) -> None:
        store = GalleryStore(path, model_id=MODEL, dim=512, create=False)
        with store.writing():
            for person in range(1, 300):  # far beyond SQLite's cache, so that it spills
                store.add(f"p{person:04}", templates_of(person), record=record_of(person))
            os.kill(os.getpid(), signal.SIGKILL)

    with forked(die_late):
        pass
    assert os.path.getsize(f"{path}-wal") > 4 << 20  # it was on the disk indeed
    assert check_whole(path, at_least=1) == 1


def test_killed_while_creating_leaves_no_gallery_or_a_whole_one(tmp_path):
    path = tmp_path / "gallery.db"
    moments = random.Random(1)

    def create(acknowledge) -> None:
        acknowledge(b".")
        Gallery.open(path, model_id=MODEL)

    for _ in range(20):
        with forked(create) as child:
            child.read(1)
            time.sleep(moments.uniform(0, 0.006))
            os.kill(child.pid, signal.SIGKILL)
        if path.exists():
            with Gallery.open(path, model_id=MODEL, create=False) as gallery:
                assert gallery.people() == ()
            path.unlink()


def test_interrupted_enrolment_leaves_no_trace_and_the_gallery_usable(tmp_path):
    path = tmp_path / "gallery.db"
    store = GalleryStore(path, model_id=MODEL, dim=512, create=True)

    def rows():
        yield from templates_of(0)[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.writing():
        store.add("p0000", rows(), record=record_of(0))
    assert store.load().names == ()
    with store.writing():
        assert store.add("p0000", templates_of(0), record=record_of(0)) == T
    store.close()
    assert check_whole(path, at_least=1) == 1


def test_process_that_comes_second_in_creating_does_not_replace_the_gallery(tmp_path, unit):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        gallery.enroll("Ann", unit(1))
        create_database(path, {"model_id": MODEL, "dim": "512"}, allowed=True)
        assert [person.name for person in gallery.people()] == ["Ann"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["gallery.db"]


def test_processes_that_enroll_at_once_all_succeed(tmp_path, open_gallery):
    gallery = open_gallery()

    def enroll(first: int):
        def action(acknowledge) -> None:
            with Gallery.open(gallery.path, model_id=MODEL) as mine:
                for person in range(first, first + 15):
                    mine.enroll(f"p{person:04}", templates_of(person))
                    mine.enroll("everybody", templates_of(person)[:1])
            acknowledge(b"done")

        return action

    with forked(enroll(0)) as one, forked(enroll(15)) as two, forked(enroll(30)) as three:
        assert [child.read() for child in (one, two, three)] == [b"done"] * 3
    assert {person.name: person.templates for person in gallery.people()} == {
        **{f"p{i:04}": T for i in range(45)},
        "everybody": 45,
    }


def test_processes_that_create_at_once_share_one_gallery(tmp_path):
    path = tmp_path / "deep" / "gallery.db"

    def create_and_enroll(person: int):
        def action(acknowledge) -> None:
            with Gallery.open(path, model_id=MODEL) as gallery:
                gallery.enroll(f"p{person:04}", templates_of(person))
            acknowledge(b"done")

        return action

    with forked(create_and_enroll(0)) as one, forked(create_and_enroll(1)) as two:
        with forked(create_and_enroll(2)) as three, forked(create_and_enroll(3)) as four:
            assert [child.read() for child in (one, two, three, four)] == [b"done"] * 4
    assert check_whole(path, at_least=4) == 4
    assert [entry.name for entry in path.parent.iterdir()] == ["gallery.db"]


def test_reader_sees_who_was_enrolled_and_removed_by_another_process(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Ann", unit(1, seed=1))
    probe = unit(1, seed=2)[0]
    assert gallery.identify(probe, threshold=0.5, margin=0).identity is None

    def act(change):
        def action() -> None:
            with Gallery.open(gallery.path, model_id=MODEL) as mine:
                change(mine)

        assert in_child(action) == ("", "")

    act(lambda mine: mine.enroll("Bob", probe[None]))
    assert gallery.identify(probe, threshold=0.5, margin=0).identity == "Bob"
    act(lambda mine: mine.remove("Bob"))
    assert gallery.identify(probe, threshold=0.5, margin=0).identity is None
    assert len(gallery) == 1


def test_identify_does_not_wait_for_a_writer(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Ann", unit(1))
    writer = sqlite3.connect(gallery.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    assert gallery.identify(unit(1)[0], threshold=0.5, margin=0).identity == "Ann"
    assert time.monotonic() - started < 5  # the busy timeout is 10 s
    writer.close()


def test_writer_that_never_ends_is_reported(open_gallery, unit):
    gallery = open_gallery()
    gallery._store.db.execute("PRAGMA busy_timeout=50")  # the real one would take 10 s
    writer = sqlite3.connect(gallery.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(GalleryError, match="locked: another process has been writing"):
        gallery.enroll("Ann", unit(1))
    writer.close()
    gallery.enroll("Ann", unit(1))


def test_gallery_opened_before_a_fork_is_refused_after_it(open_gallery, unit):
    gallery = open_gallery()
    kind, text = in_child(lambda: gallery.enroll("Ann", unit(1)))
    assert kind == "GalleryError" and "was forked: open it again here" in text


@pytest.mark.parametrize("action", ["deleted", "replaced"])
def test_enrolling_into_a_file_that_is_gone_is_refused(tmp_path, open_gallery, unit, action):
    gallery = open_gallery()
    if action == "replaced":
        open_gallery(tmp_path / "other.db").close()
        (tmp_path / "other.db").rename(gallery.path)
    else:
        gallery.path.unlink()
    with pytest.raises(GalleryError, match="was deleted or replaced while it was open"):
        gallery.enroll("Ann", unit(1))
    with pytest.raises(GalleryError, match="was deleted or replaced while it was open"):
        gallery.identify(unit(1)[0], threshold=0.5, margin=0)
