"""OSDP on lines that lose, damage and cut what they carry."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgeface.door.osdp import Osdp
from edgeface.door.osdp_panel import Bus
from edgeface.door.wiegand_frame import decode
from edgeface.errors import ActuatorError
from tests.door.outputs import CARD, opening, wait_until
from tests.door.panel import (
    KEY,
    LossyLine,
    NoisyLine,
    Panel,
    PtyChannel,
    clean,
    to,
)


@pytest.mark.parametrize("seed", [1, 2])
def test_line_noise_makes_no_card_and_is_recovered_from(
    seed: int, door: Osdp, panel: Panel
) -> None:
    panel.channel.noise = NoisyLine(0.01, seed=seed)
    panel.channel.noise_back = NoisyLine(0.01, seed=seed + 100)
    until, sent = time.monotonic() + 1.5, 0
    while time.monotonic() < until:
        try:
            door.handle(opening())
            sent += 1
        except ActuatorError:  # no secure channel at the moment: nothing is sent
            time.sleep(0.05)
        time.sleep(0.05)
    assert {decode(bits) for bits in panel.cards()} <= {CARD} and len(panel.cards()) <= sent
    panel.channel.noise = panel.channel.noise_back = clean
    panel.restart()  # libosdp's panel may pause for minutes after errors
    wait_until(lambda: panel.secure and door.fault() is None)
    time.sleep(0.3)
    before = len(panel.cards())
    door.handle(opening())
    wait_until(lambda: len(panel.cards()) == before + 1)


def test_lost_and_damaged_frames_are_repeated_without_a_new_handshake(panel: Panel) -> None:
    with to(panel, card_age_s=10, offline_s=10) as door:
        wait_until(lambda: door.fault() is None)
        # A damaged answer makes libosdp's panel give up at once, so answers get lost only.
        panel.channel.noise = NoisyLine(0.002, seed=5)
        panel.channel.noise_back = LossyLine(0.1, seed=6)
        for number in range(5):
            door.handle(opening())
            wait_until(lambda number=number: len(panel.cards()) > number)
            assert panel.secure and door.fault() is None
    assert {decode(bits) for bits in panel.cards()} == {CARD} and len(panel.cards()) == 5


@pytest.mark.parametrize("piece", [1, 3, 9])
def test_frames_that_arrive_in_pieces_are_answered(piece: int) -> None:
    panel = Panel(KEY, channel=PtyChannel(piece=piece))
    with to(panel) as door:
        wait_until(lambda: door.fault() is None and panel.secure)
        door.handle(opening())
        wait_until(panel.cards)
    panel.stop()


def test_garbage_alone_makes_no_card_and_no_answer(door: Osdp, panel: Panel) -> None:
    panel.stop()
    noise = NoisyLine(0.3, seed=4)
    for number in range(400):
        panel.channel.inject(noise(b"\x53" * 3 + bytes([number % 256]) * (number % 60)))
        if number % 40 == 0:
            time.sleep(0.02)
    assert door._panel._thread.is_alive()
    back = Panel(KEY, channel=panel.channel)
    wait_until(lambda: back.secure and door.fault() is None, within_s=20)
    assert not back.cards()
    back.stop()


def test_line_that_was_unplugged_is_opened_again(tmp_path: Path) -> None:
    first = Panel(KEY)
    link = tmp_path / "rs485"
    link.symlink_to(first.channel.device)
    with Osdp(Bus(link, baud=115200), key=KEY) as door:
        wait_until(lambda: door.fault() is None)
        first.stop()
        link.unlink()
        first.channel.unplug()
        wait_until(lambda: door.fault() is not None)
        second = Panel(KEY)
        link.symlink_to(second.channel.device)
        wait_until(lambda: door.fault() is None and second.secure)
        door.handle(opening())
        wait_until(second.cards)
        second.stop()
