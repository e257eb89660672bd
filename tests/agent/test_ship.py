"""The door's log to the broker: from where the site has it, whole, in order, not too fast."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.agent.ship import Shipper
from edgeface.agent.ship_read import LogReader
from edgeface.door.audit import Limits
from edgeface.door.config import read_config
from edgeface.door.new import make_door
from edgeface.errors import GalleryError
from tests.door.audit_logs import KEY, lines, open_log, opening
from tests.door.broker import USER, Broker, Listener
from tests.door.certificates import make_certificates
from tests.door.outputs import wait_until
from tests.site.brokers import broker_of
from tests.site.door_logs import ADA, write_log

TOPIC = "edgeface/north/log"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    broker = Broker(folder, make_certificates(folder / "tls"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    yield listener
    listener.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log in several files."""
    return write_log(tmp_path / "audit", visits=60, limits=Limits(rotate_mib=0.01))


@pytest.fixture
def shipper(broker: Broker, folder: Path) -> Iterator[Shipper]:
    with shipper_of(broker, folder) as shipper:
        yield shipper


def shipper_of(broker: Broker, folder: Path, **settings) -> Shipper:
    settings = {"key": KEY, "uids": lambda: {"Ada Lovelace": ADA}, "lines_per_s": 2000, **settings}
    shipper = Shipper(folder, broker=broker_of(broker, user=USER), door="north", **settings)
    shipper.start()
    return shipper


def log_of(folder: Path) -> str:
    return json.loads(lines(folder)[0])["log"]


def sent(listener: Listener) -> list[dict]:
    return [json.loads(payload) for payload in listener.on(TOPIC)]


def seqs(listener: Listener) -> list[int]:
    return [json.loads(message["line"])["seq"] for message in sent(listener)]


def test_nothing_is_sent_before_the_site_says_what_it_has(shipper, listener):
    wait_until(lambda: shipper.problem() is None)
    time.sleep(0.3)
    assert sent(listener) == []


def test_all_of_it_goes_byte_for_byte_with_whose_pseudonyms_they_are(shipper, listener, folder):
    shipper.received({})
    whole = [line[:-1].decode() for line in lines(folder)]
    wait_until(lambda: len(sent(listener)) == len(whole))
    assert [message["line"] for message in sent(listener)] == whole
    assert {message["log"] for message in sent(listener)} == {log_of(folder)}
    people = [message["people"] for message in sent(listener) if message["people"]]
    assert people == [{KEY.pseudonym("Ada Lovelace"): ADA}] * 40
    assert listener.last()["edgeface/north/key"] == KEY.public_pem
    assert not any("missing_from" in message for message in sent(listener))


def test_it_goes_on_where_the_site_has_it_and_follows_what_is_written(shipper, listener, folder):
    count = len(lines(folder))
    shipper.received({log_of(folder): count - 2})
    wait_until(lambda: len(seqs(listener)) == 2)
    with open_log(folder) as log:
        log.write(opening())
        wait_until(lambda: len(seqs(listener)) == 5)
    wait_until(lambda: len(seqs(listener)) == 7)
    assert seqs(listener) == list(range(count - 1, count + 6))
    assert shipper.unsent() == 7
    shipper.received({log_of(folder): count + 5})
    assert shipper.unsent() == 0


def test_files_deleted_before_they_were_sent_are_said(shipper, listener, folder):
    first, second, *_ = sorted(folder.glob("audit-*"))
    gone = first.read_bytes().count(b"\n") + second.read_bytes().count(b"\n")
    first.unlink()
    second.unlink()
    shipper.received({log_of_rest(folder): 5})
    wait_until(lambda: sent(listener))
    assert seqs(listener)[0] == gone + 1 and sent(listener)[0]["missing_from"] == 6
    wait_until(lambda: len(sent(listener)) == len(lines(folder)))
    assert sum("missing_from" in message for message in sent(listener)) == 1


def log_of_rest(folder: Path) -> str:
    return json.loads(lines(folder)[0])["log"]


def test_damaged_line_is_said_to_be_missing_and_the_rest_is_sent(shipper, listener, folder):
    first = sorted(folder.glob("audit-*"))[0]
    first.write_bytes(first.read_bytes().replace(b'"seq":4', b'"seq":x', 1))
    shipper.received({})
    wait_until(lambda: len(sent(listener)) == len(lines(folder)) - 1)
    assert 4 not in seqs(listener)
    assert [message.get("missing_from") for message in sent(listener)[2:5]] == [None, 4, None]


def test_no_more_is_sent_than_the_site_may_not_have_yet(broker, listener, folder):
    with shipper_of(broker, folder, window=10) as shipper:
        shipper.received({})
        wait_until(lambda: len(seqs(listener)) == 10)
        time.sleep(0.5)
        assert len(seqs(listener)) == 10
        shipper.received({log_of(folder): 5})
        wait_until(lambda: len(seqs(listener)) == 15)
    assert seqs(listener) == list(range(1, 16))


def test_what_the_site_does_not_get_is_sent_again_after_a_while(broker, listener, folder):
    with shipper_of(broker, folder, window=10, patience_s=0.3) as shipper:
        shipper.received({})
        wait_until(lambda: len(seqs(listener)) == 10)
        shipper.received({log_of(folder): 4})
        wait_until(lambda: len(seqs(listener)) == 14)
        time.sleep(0.4)
        shipper.received({log_of(folder): 4})
        wait_until(lambda: len(seqs(listener)) == 24)
    assert seqs(listener) == [*range(1, 15), *range(5, 15)]


def test_rate_is_bounded(broker, listener, folder):
    began = time.monotonic()
    with shipper_of(broker, folder, lines_per_s=40) as shipper:
        shipper.received({})
        wait_until(lambda: len(seqs(listener)) >= 30)
    assert time.monotonic() - began > 29 / 40


def test_new_log_after_the_old_one_was_moved_away_is_sent_from_its_beginning(
    shipper, listener, folder
):
    shipper.received({log_of(folder): len(lines(folder))})
    shutil.move(folder, folder.with_name("evidence"))
    open_log(folder).close()
    wait_until(lambda: len(sent(listener)) == len(lines(folder)))
    assert seqs(listener) == list(range(1, len(lines(folder)) + 1))
    assert {message["log"] for message in sent(listener)} == {log_of(folder)}


def test_log_that_was_put_back_to_an_older_state_sends_what_it_writes_then(
    broker, listener, folder
):
    known = len(lines(folder)) + 100
    with shipper_of(broker, folder) as shipper:
        shipper.received({log_of(folder): known})
        time.sleep(0.5)
        with open_log(folder) as log:
            log.write(opening())
        wait_until(lambda: len(sent(listener)) == 5)


def test_gallery_that_cannot_be_read_is_waited_for(broker, listener, folder):
    broken = [GalleryError("gallery.db is locked")]

    def uids() -> dict[str, str]:
        if broken:
            raise broken[0]
        return {"Ada Lovelace": ADA}

    with shipper_of(broker, folder, uids=uids) as shipper:
        shipper.received({})
        wait_until(lambda: shipper.problem() == "gallery.db is locked")
        broken.clear()
        wait_until(lambda: len(sent(listener)) == len(lines(folder)))


def test_no_log_yet_is_waited_for(broker, listener, tmp_path):
    with shipper_of(broker, tmp_path / "audit") as shipper:
        shipper.received({})
        assert shipper.unsent() == 0
        write_log(tmp_path / "audit", visits=1)
        wait_until(lambda: len(sent(listener)) == 6)


@pytest.mark.parametrize("cut", [1, 200])
def test_line_that_is_just_being_written_is_left_for_later(folder, cut):
    newest = sorted(folder.glob("audit-*"))[-1]
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-cut])
    reader = LogReader(folder)
    reader.go_to(0)
    before = [line.seq for line in reader.lines()]
    newest.write_bytes(whole)
    after = [line.seq for line in reader.lines()]
    assert before + after == list(range(1, len(lines(folder)) + 1))
    assert len(after) == 1 and reader.last_seq() == after[0]


def test_reader_goes_to_every_line(folder):
    reader, count = LogReader(folder), len(lines(folder))
    for seq in range(0, count + 1, 7):
        reader.go_to(seq)
        assert [line.seq for line in reader.lines()] == list(range(seq + 1, count + 1))


def test_shipper_of_a_door_and_a_table(tmp_path, broker):
    list(make_door(tmp_path / "door"))
    table = {"host": "localhost", "port": broker.port, "ca_file": "ca.pem"}
    shutil.copy(broker.certificates.authority, tmp_path / "ca.pem")
    door = read_config(tmp_path / "door" / "door.toml")
    shipper = Shipper.from_settings(table, base=tmp_path, door=door, uids=dict)
    assert shipper.unsent() == 0 and shipper.problem() == "not started"
    shipper.close()
