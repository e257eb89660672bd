"""Writing the audit log: what an entry holds, when it is signed, files that begin and go."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from edgeface.door.audit import Limits, Record, act_record
from edgeface.door.audit_entry import SCHEMAS, record_of
from edgeface.door.event import Card, DoorContact, Fault, Maintenance, Moment, Reason
from edgeface.errors import AuditError
from tests.door.audit_logs import (
    BEGAN,
    BUILD,
    KEY,
    DoorClock,
    denial,
    entries,
    kinds,
    lines,
    open_log,
    opening,
    tamper,
)


def test_every_kind_of_happening_gets_its_entry(tmp_path):
    moment = DoorClock()()
    with open_log(tmp_path) as log:
        for happened in (
            opening(),
            denial(Reason.NOT_LIVE, detail="0.12"),
            tamper(),
            Fault(moment, "camera", True, "no frame for 3 s"),
            Maintenance(moment, True, "Grace"),
            act_record(moment, act="gallery reloaded", by="door", detail="12 people"),
        ):
            log.write(happened)
    assert kinds(tmp_path) == [
        *("segment", "start", "checkpoint", "decision", "decision", "alarm", "fault", "act", "act"),
        *("stop", "checkpoint"),
    ]


def test_opening_says_who_when_why_and_by_what(tmp_path):
    with open_log(tmp_path, names="name", quality=lambda: "synchronised") as log:
        number = log.write(opening(with_person="Grace Hopper", detail="office hours"))
    entry = next(e for e in entries(tmp_path) if e["seq"] == number)
    expected = {
        **{"kind": "decision", "outcome": "open", "reason": "recognised", "door": "north"},
        **{"person": "Ada Lovelace", "with_person": "Grace Hopper", "detail": "office hours"},
        **{"score": 0.6123, "lead": 0.4, "live": 0.97, "track": 3, "frames": 4, "pulse_s": 5.0},
        **{"utc": "2030-01-01T08:00:00.000Z", "clock": "synchronised", "mono": 1000.0},
        **{"bundle": BUILD.bundle, "model": BUILD.model, "config": BUILD.config},
    }
    assert {key: entry[key] for key in expected} == expected
    assert entry["boot"] == open("/proc/sys/kernel/random/boot_id").read().strip()


def test_entry_without_trusted_time_says_so_and_keeps_the_monotonic_time(tmp_path):
    with open_log(tmp_path, quality=lambda: "jumped") as log:
        log.write(opening(at=Moment(7.25, None)))
    (entry,) = (e for e in entries(tmp_path) if e["kind"] == "decision")
    assert (entry["utc"], entry["mono"], entry["clock"]) == (None, 7.25, "jumped")


@pytest.mark.parametrize(("names", "shown"), [("pseudonym", "p-"), ("name", "Ada"), ("none", None)])
def test_names_appear_as_they_are_set_to(tmp_path, names, shown):
    with open_log(tmp_path, names=names) as log:
        log.write(opening("Ada"))
        log.write(opening("Ada", with_person="Grace"))
    first, second = (e for e in entries(tmp_path) if e["kind"] == "decision")
    assert first["person"] == second["person"]
    assert (first["person"] or "None").startswith(shown or "None")
    if names == "pseudonym":
        assert first["person"] == KEY.pseudonym("Ada") != second["with_person"]
        assert b"Ada" not in b"".join(lines(tmp_path))


def test_no_photo_template_or_embedding_fits_into_an_entry(tmp_path):
    """No field takes a list, an object, or a text longer than 200 characters."""
    for schema in SCHEMAS.values():
        assert schema["additionalProperties"] is False
        for name, field in schema["properties"].items():
            types = {field["type"]} if isinstance(field.get("type"), str) else field.get("type", [])
            assert not {"array", "object"} & set(types), name
            if "string" in types:
                assert field.get("maxLength", 0) <= 200 and (
                    {"maxLength", "pattern", "enum"} & set(field)
                )
    with open_log(tmp_path) as log:
        before = lines(tmp_path)
        for field in ({"embedding": [0.1] * 512}, {"detail": "A" * 684}, {"detail": b"\xff\xd8"}):
            record = act_record(DoorClock()(), act="x", by="y")
            with pytest.raises((AuditError, TypeError)):
                log.write(Record("act", record.moment, {**record.fields, **field}))
        assert lines(tmp_path) == before


def test_card_number_is_not_logged(tmp_path):
    with open_log(tmp_path) as log:
        log.write(opening(card=Card(17, 424242)))
    assert b"424242" not in b"".join(lines(tmp_path))


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_score_that_is_no_number_is_logged_as_none(tmp_path, score):
    with open_log(tmp_path) as log:
        log.write(denial(score=score, live=score))
    (entry,) = (e for e in entries(tmp_path) if e["kind"] == "decision")
    assert entry["score"] is entry["live"] is None


def test_text_of_strangers_is_one_short_printable_line(tmp_path):
    hostile = 'x\n{"seq":1}\x1b[2J\x00\u202e' + "y" * 500
    with open_log(tmp_path, names="name", door="no\nrth") as log:
        log.write(opening(hostile, detail=hostile))
    (entry,) = (e for e in entries(tmp_path) if e["kind"] == "decision")
    assert entry["detail"].isprintable() and len(entry["detail"]) == 200
    assert entry["person"].isprintable() and entry["door"] == "no rth"


def test_event_that_is_not_for_the_log_is_refused():
    with pytest.raises(TypeError, match="no entry for a DoorContact"):
        record_of(DoorContact(DoorClock()(), True))


def test_entry_is_on_the_disk_before_write_returns(tmp_path):
    """Another process, which shares no buffer with this one, reads it at once."""
    with open_log(tmp_path) as log:
        for _ in range(5):
            number = log.write(opening())
            assert entries(tmp_path)[-1]["seq"] == number


def test_signed_after_so_many_entries(tmp_path):
    with open_log(tmp_path, limits=Limits(checkpoint_entries=3)) as log:
        for _ in range(7):
            log.write(denial())
    assert "".join(kind[0] for kind in kinds(tmp_path)[3:]) == "dddcdddcdsc"


def test_signed_after_so_much_time(tmp_path):
    clock = DoorClock()
    with open_log(tmp_path, now=clock, limits=Limits(checkpoint_s=30)) as log:
        log.write(denial())
        log.tick()
        assert kinds(tmp_path)[-1] == "decision"
        clock.seconds = 30.0
        log.tick()
        log.tick()
        assert kinds(tmp_path)[-2:] == ["decision", "checkpoint"]
        assert entries(tmp_path)[-1]["why"] == "time"


def test_head_is_the_newest_signed_line(tmp_path):
    with open_log(tmp_path, limits=Limits(checkpoint_entries=2)) as log:
        for _ in range(3):
            log.write(denial())
        assert (tmp_path / "head.jsonl").read_bytes() == log.head == lines(tmp_path)[-2]
    assert (tmp_path / "head.jsonl").read_bytes() == lines(tmp_path)[-1]


def test_new_file_begins_by_size_and_the_chain_goes_on(tmp_path):
    with open_log(tmp_path, limits=Limits(rotate_mib=0.01)) as log:
        for _ in range(60):
            log.write(denial())
    files = sorted(tmp_path.glob("audit-*.jsonl"))
    assert len(files) >= 3
    assert all(file.stat().st_size < 0.02 * 2**20 for file in files)
    found = entries(tmp_path)
    assert [e["segment"] for e in found if e["kind"] == "segment"] == [*range(1, len(files) + 1)]
    assert sum(e["kind"] == "decision" for e in found) == 60


def test_new_file_begins_by_age(tmp_path):
    clock = DoorClock()
    with open_log(tmp_path, now=clock, limits=Limits(rotate_days=1)) as log:
        clock.seconds = 86399
        log.tick()
        assert len(list(tmp_path.glob("audit-*"))) == 1
        clock.trusted = False
        clock.seconds = 86400
        log.tick()
        assert len(list(tmp_path.glob("audit-*"))) == 1
        clock.trusted = True
        log.tick()
        assert len(list(tmp_path.glob("audit-*"))) == 2


def test_old_files_go_and_a_signed_entry_takes_their_place(tmp_path):
    clock = DoorClock()
    limits = Limits(rotate_days=1, keep_days=2.5)
    with open_log(tmp_path, now=clock, limits=limits) as log:
        for day in range(6):
            clock.seconds = day * 86400 + 1
            log.write(opening(at=clock()))
    found = entries(tmp_path)
    assert found[0]["seq"] > 1 and found[0]["kind"] == "segment"
    tombstone = [e for e in found if e["kind"] == "tombstone"][-1]
    assert tombstone["through_seq"] == found[0]["seq"] - 1
    assert tombstone["through_hash"] == found[0]["prev"]
    days = {e["utc"][:10] for e in found if e["kind"] == "decision"}
    assert days == {(BEGAN + timedelta(days=day)).date().isoformat() for day in (2, 3, 4, 5)}


def test_nothing_is_deleted_while_the_wall_clock_is_not_trusted(tmp_path):
    clock = DoorClock()
    limits = Limits(rotate_mib=0.01, keep_days=1)
    with open_log(tmp_path, now=clock, limits=limits) as log:
        clock.seconds, clock.trusted = 100 * 86400, False
        for _ in range(60):
            log.write(denial())
    assert entries(tmp_path)[0]["seq"] == 1


def test_deletion_that_power_interrupted_is_finished(tmp_path):
    clock = DoorClock()
    limits = Limits(rotate_days=1, keep_days=1.5)
    kept = {}
    with open_log(tmp_path, now=clock, limits=limits) as log:
        for day in range(4):
            clock.seconds = day * 86400 + 1
            kept.update((file, file.read_bytes()) for file in tmp_path.glob("audit-*"))
            log.write(opening(at=clock()))
    gone = [file for file in kept if not file.exists()]
    gone[-1].write_bytes(kept[gone[-1]])
    open_log(tmp_path, now=clock, limits=limits).close()
    assert not any(file.exists() for file in gone)


def test_log_goes_on_where_it_ended(tmp_path):
    open_log(tmp_path).close()
    with open_log(tmp_path) as log:
        log.write(opening())
    assert kinds(tmp_path).count("segment") == 1
    assert kinds(tmp_path).count("start") == kinds(tmp_path).count("stop") == 2


def test_run_that_ends_by_an_error_says_which(tmp_path):
    with pytest.raises(ZeroDivisionError), open_log(tmp_path):
        raise ZeroDivisionError
    (stop,) = (e for e in entries(tmp_path) if e["kind"] == "stop")
    assert stop["detail"] == "error: ZeroDivisionError"


def test_closing_twice_is_harmless_and_writing_then_is_refused(tmp_path):
    log = open_log(tmp_path)
    log.close()
    log.close()
    with pytest.raises(AuditError, match="is closed: open it again"):
        log.write(opening())


def test_each_entry_is_json_of_one_line(tmp_path):
    with open_log(tmp_path) as log:
        log.write(opening(detail="é 漢 \U0001f600"))
    for line in lines(tmp_path):
        assert json.loads(line)["hash"] and line.isascii()
