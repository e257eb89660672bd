"""OSDP: against libosdp's own control panel, over a real pty."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import osdp
import pytest

from edgeface.door.event import Card, Decision, Reason
from edgeface.door.osdp import Osdp
from edgeface.door.osdp_panel import Bus
from edgeface.door.osdp_session import PanelSignal
from edgeface.door.wiegand_frame import decode
from edgeface.errors import ActuatorError
from tests.door.outputs import CARD, alarm, denial, moment, opening, report_delays, wait_until
from tests.door.panel import (
    KEY,
    OTHER_KEY,
    Panel,
    buzz,
    lamp,
    to,
)


def test_opening_decision_is_a_card_read_at_the_panel(door: Osdp, panel: Panel) -> None:
    door.handle(opening())
    wait_until(panel.cards)
    assert [decode(bits) for bits in panel.cards()] == [CARD]
    assert len(panel.cards()[0]) == 26


def test_34_bits_are_sent_where_the_panel_expects_them(panel: Panel) -> None:
    card = Card(facility=40000, number=65535)
    with to(panel, card_bits=34) as door:
        wait_until(lambda: door.fault() is None)
        door.handle(opening(card=card))
        wait_until(panel.cards)
    assert decode(panel.cards()[0]) == card and len(panel.cards()[0]) == 34


def test_nothing_but_an_opening_with_a_card_is_sent(door: Osdp, panel: Panel) -> None:
    door.handle(denial())
    door.handle(Decision(moment(), opens=True, reason=Reason.EXIT_REQUEST, pulse_s=3))
    for kind in ("duress", "forced", "fault"):
        door.handle(alarm(kind))
    with pytest.raises(ActuatorError, match="no card number"):
        door.handle(opening(card=None))
    with pytest.raises(ActuatorError, match="expected 0 to 255"):
        door.handle(opening(card=Card(facility=256, number=1)))
    time.sleep(0.5)
    assert not panel.cards() and not panel.reports()


def test_tamper_is_reported_when_it_begins_and_ends(door: Osdp, panel: Panel) -> None:
    door.handle(alarm("tamper"))
    wait_until(lambda: panel.reports() == [b"\1\0"])
    door.handle(alarm("tamper", active=False))
    wait_until(lambda: panel.reports() == [b"\1\0", b"\0\0"])


def test_panel_that_asks_is_never_told_that_all_is_well_while_it_is_not(
    door: Osdp, panel: Panel
) -> None:
    ask = {"command": osdp.Command.Status, "type": osdp.StatusReportType.Local}
    panel.command(**ask)
    wait_until(lambda: panel.reports() == [b"\0\0"])
    door.handle(alarm("tamper"))
    wait_until(lambda: panel.reports() == [b"\0\0", b"\1\0"])
    panel.command(**ask)
    time.sleep(0.5)
    assert panel.reports()[1:] == [b"\1\0"] * (len(panel.reports()) - 1)


def test_lamp_and_buzzer_of_the_panel_are_taken(door: Osdp, panel: Panel) -> None:
    panel.command(**lamp(osdp.CommandLEDColor.Green))
    wait_until(lambda: door.signal == PanelSignal("green", buzzer=False))
    panel.command(**buzz(2))
    wait_until(lambda: door.signal == PanelSignal("green", buzzer=True))
    panel.command(**buzz(1))
    panel.command(**lamp(osdp.CommandLEDColor.Red))
    wait_until(lambda: door.signal == PanelSignal("red", buzzer=False))


@pytest.mark.parametrize(
    ("key", "installs"),
    [(OTHER_KEY, False), (OTHER_KEY, True), (bytes(range(0x30, 0x40)), False), (None, False)],
    ids=["another key", "installing", "the default key", "none"],
)
def test_panel_with_another_key_never_reads_a_card(key: bytes | None, installs: bool) -> None:
    panel = Panel(key, installs=installs)
    with to(panel) as door:
        wait_until(lambda: "compare the keys" in str(door.fault()))
        for _ in range(5):
            with pytest.raises(ActuatorError, match="told nothing"):
                door.handle(opening())
            time.sleep(0.1)
        assert not panel.secure
    panel.stop()
    assert not panel.events


def test_card_is_never_delivered_late(door: Osdp, panel: Panel) -> None:
    panel.stop()
    time.sleep(0.1)
    door.handle(opening())  # the panel is gone, but not yet for offline_s
    wait_until(lambda: door.expired == 1)
    back = Panel(KEY, channel=panel.channel)
    wait_until(lambda: back.secure and door.fault() is None)
    time.sleep(0.5)
    assert not back.cards()
    door.handle(opening())
    wait_until(lambda: len(back.cards()) == 1)
    back.stop()


def test_panel_that_stops_polling_is_reported_and_no_card_is_taken(panel: Panel) -> None:
    with to(panel, offline_s=1.0) as door:
        assert "not polled yet" in str(door.fault())
        wait_until(lambda: door.fault() is None)
        panel.stop()
        wait_until(lambda: "not polled for" in str(door.fault()))
        with pytest.raises(ActuatorError, match="told nothing"):
            door.handle(opening())


def test_line_that_another_door_has_is_refused(door: Osdp, panel: Panel) -> None:
    with to(panel) as second:
        wait_until(lambda: "nobody else uses it" in str(second.fault()))


def test_device_that_is_no_serial_line_is_reported(tmp_path: Path) -> None:
    plain = tmp_path / "file"
    plain.touch()
    for device, text in ((plain, "cannot be used"), (tmp_path / "none", "cannot open")):
        with Osdp(Bus(device), key=KEY) as door:
            wait_until(lambda door=door, text=text: text in str(door.fault()))


def test_key_is_not_changed_outside_install_mode(door: Osdp, panel: Panel) -> None:
    panel.command(command=osdp.Command.Keyset, type=1, data=OTHER_KEY)
    time.sleep(0.5)
    panel.stop()
    back = Panel(KEY, channel=panel.channel)
    wait_until(lambda: back.secure and door.fault() is None)
    back.stop()


def test_closed_door_gives_the_line_back_and_closes_twice(panel: Panel) -> None:
    door = to(panel)
    wait_until(lambda: door.fault() is None)
    door.close()
    door.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "edgeface osdp" not in names
    with to(panel) as again:
        wait_until(lambda: "nobody else" not in str(again.fault()))
        panel.restart()
        wait_until(lambda: again.fault() is None)


def test_delay_from_handle_to_the_panel(door: Osdp, panel: Panel) -> None:
    for number in range(30):
        door.handle(opening())
        wait_until(lambda number=number: len(panel.cards()) > number)
        time.sleep(0.003 * (number % 17))
    wait_until(lambda: len(door.delays_s()) == 30)
    assert report_delays("osdp, handle to the panel's poll", door.delays_s()) < 0.5
