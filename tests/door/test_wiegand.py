"""Wiegand frames, and their pulses on two lines of a fake character device."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.door.event import Card
from edgeface.door.wiegand import SETTINGS
from edgeface.door.wiegand_frame import decode, frame, frame26, frame34
from edgeface.schema import first_problem
from tests.door.doors import DoorProcess, eventually
from tests.fakes.gpio_chip import FakeChip, FakeGpio

D0, D1 = 5, 6
CARDS = {
    26: st.builds(Card, st.integers(0, 255), st.integers(0, 65535)),
    34: st.builds(Card, st.integers(0, 65535), st.integers(0, 65535)),
}
FORMATS = st.sampled_from([26, 34])
TABLE = {"kind": "wiegand", "name": "panel", "chip": "soc", "d0": D0, "d1": D1}


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[FakeChip]:
    gpio = FakeGpio(tmp_path, {"soc": 16})
    gpio.chips["soc"].gpio = gpio
    yield gpio.chips["soc"]
    gpio.close()


@pytest.fixture
def start(chip: FakeChip) -> Iterator[Callable[..., DoorProcess]]:
    running = []

    def start(**settings: Any) -> DoorProcess:
        running.append(DoorProcess(chip.gpio, {**TABLE, **settings}))
        return running[-1]

    yield start
    for door in running:
        door.end()


def pulses(chip: FakeChip, *, idle: int = 1) -> list[tuple[float, float, str]]:
    """(begin, length, bit) of each pulse that ended, in the order of time; seconds."""
    found = []
    for line, bit in ((D0, "0"), (D1, "1")):
        changes = [change for change in chip.changes(line) if change.level >= 0]
        for begin, end in zip(changes, changes[1:]):
            if begin.level != idle and end.level == idle:
                found.append((begin.seconds, end.seconds - begin.seconds, bit))
    return sorted(found)


def bits_on_the_wire(chip: FakeChip, *, idle: int = 1) -> str:
    return "".join(bit for _, _, bit in pulses(chip, idle=idle))


def test_frames_are_those_of_a_readers_manual() -> None:
    # Civintec CN56, Reader User Manual, 6.4: data D41B81 and 89D41B81.
    assert frame26(Card(0xD4, 0x1B81)) == "1" + f"{0xD41B81:024b}" + "0"
    assert frame34(Card(0x89D4, 0x1B81)) == "1" + f"{0x89D41B81:032b}" + "1"


@given(FORMATS.flatmap(lambda bits: st.tuples(st.just(bits), CARDS[bits])))
def test_card_comes_back_from_its_frame(drawn: tuple[int, Card]) -> None:
    bits, card = drawn
    assert len(frame(card, bits=bits)) == bits
    assert decode(frame(card, bits=bits)) == card


@given(FORMATS.flatmap(lambda bits: st.tuples(st.just(bits), CARDS[bits])))
def test_every_flip_of_one_bit_is_refused(drawn: tuple[int, Card]) -> None:
    bits, card = drawn
    sent = frame(card, bits=bits)
    for position in range(bits):
        flipped = "10"[int(sent[position])]
        with pytest.raises(ValueError, match="parity"):
            decode(sent[:position] + flipped + sent[position + 1 :])


@given(FORMATS.flatmap(lambda bits: st.tuples(CARDS[bits], st.just(bits), st.integers(0, bits))))
def test_lost_bit_is_refused(drawn: tuple[Card, int, int]) -> None:
    card, bits, position = drawn
    sent = frame(card, bits=bits)
    with pytest.raises(ValueError, match="expected 26 or 34"):
        decode(sent[: max(position - 1, 0)] + sent[max(position, 1) :])


@given(st.text(max_size=40) | st.text(alphabet="01", min_size=26, max_size=34))
def test_any_text_is_a_card_or_a_value_error(text: str) -> None:
    try:
        card = decode(text)
    except ValueError:
        return
    assert frame(card, bits=len(text)) == text


@pytest.mark.parametrize(
    ("card", "bits"),
    [
        (Card(256, 1), 26),
        (Card(1, 65536), 26),
        (Card(-1, 1), 26),
        (Card(1, -1), 34),
        (Card(65536, 1), 34),
        (Card(True, 1), 26),
        (Card(1, 1), 37),
    ],
)
def test_card_that_does_not_fit_is_refused(card: Card, bits: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        frame(card, bits=bits)


@pytest.mark.parametrize("bits", [26, 34])
def test_panel_reads_the_card_that_was_decided(chip: FakeChip, start, bits: int) -> None:
    start(bits=bits).tell(open=3, card=[200, 54321])
    assert eventually(lambda: len(pulses(chip)) == bits)
    assert decode(bits_on_the_wire(chip)) == Card(200, 54321)


def test_pulses_are_low_and_timed_as_set(chip: FakeChip, start) -> None:
    start().tell(open=3, card=[1, 2])
    assert eventually(lambda: len(pulses(chip)) == 26)
    sent = pulses(chip)
    lengths = sorted(length for _, length, _ in sent)
    gaps = sorted(later[0] - earlier[0] for earlier, later in zip(sent, sent[1:]))
    # The median: single pulses are longer where a busy machine without SCHED_FIFO interrupts.
    assert 70e-6 <= lengths[13] < 150e-6 and lengths[0] >= 65e-6
    assert 1.9e-3 < gaps[12] < 2.1e-3


def test_lines_behind_transistors_are_pulsed_high(chip: FakeChip, start) -> None:
    start(active_low=False, drive="push_pull").tell(open=3, card=[7, 8])
    assert eventually(lambda: len(pulses(chip, idle=0)) == 26)
    assert decode(bits_on_the_wire(chip, idle=0)) == Card(7, 8)


def test_two_people_one_after_the_other_are_two_frames(chip: FakeChip, start) -> None:
    door = start()
    door.tell(open=3, card=[1, 11])
    door.tell(open=3, card=[1, 12])
    assert eventually(lambda: len(pulses(chip)) == 52)
    wire = bits_on_the_wire(chip)
    assert [decode(wire[:26]), decode(wire[26:])] == [Card(1, 11), Card(1, 12)]


@pytest.mark.parametrize("card", [None, [300, 1]])
def test_person_without_a_fitting_card_is_counted_and_stops_nobody(
    chip: FakeChip, start, card: list[int] | None
) -> None:
    door = start()
    told = door.tell(open=3, card=card)
    assert (told["error"], told["unsent"], told["fault"]) == (None, 1, None)
    time.sleep(0.1)
    assert pulses(chip) == []
    assert door.tell(open=3, card=[3, 1])["error"] is None


def test_denial_and_exit_button_send_nothing(chip: FakeChip, start) -> None:
    door = start()
    assert door.tell(deny=1)["unsent"] == 0
    assert door.tell(exit=3)["unsent"] == 0
    time.sleep(0.1)
    assert pulses(chip) == []


def test_guard_killed_in_a_frame_leaves_no_whole_frame_and_is_replaced(
    chip: FakeChip, start
) -> None:
    door = start()
    os.kill(door.tell(open=3, card=[9, 9])["pid"], signal.SIGKILL)
    assert eventually(lambda: door.ask()["fault"] is not None or len(pulses(chip)) == 26)
    assert len(pulses(chip)) < 26
    assert eventually(lambda: door.ask()["fault"] is None)
    assert chip.level(D0) == chip.level(D1) == 1


def test_one_line_for_both_is_refused(start) -> None:
    assert "expected two lines" in start(d1=D0).hello["error"]


def test_settings_are_a_sound_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SETTINGS)
    assert first_problem(TABLE, SETTINGS) is None
    assert "26" in first_problem({**TABLE, "bits": 32}, SETTINGS)
