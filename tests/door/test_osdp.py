"""OSDP: against libosdp's own control panel, over a real pty."""

from __future__ import annotations

import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

osdp = pytest.importorskip("osdp", reason="libosdp is missing: pip install 'edgeface[door]'")

from edgeface.door.event import Card, Decision, Reason  # noqa: E402
from edgeface.door.osdp import SETTINGS, Osdp  # noqa: E402
from edgeface.door.osdp_panel import Bus  # noqa: E402
from edgeface.door.osdp_session import PanelSignal  # noqa: E402
from edgeface.door.wiegand_frame import decode  # noqa: E402
from edgeface.errors import ActuatorError, DoorError  # noqa: E402
from edgeface.schema import first_problem  # noqa: E402
from tests.door.outputs import CARD, alarm, denial, moment, opening  # noqa: E402
from tests.door.outputs import percentiles, wait_until  # noqa: E402
from tests.door.panel import LossyLine, NoisyLine, Panel  # noqa: E402
from tests.door.panel import PtyChannel, buzz, clean, lamp  # noqa: E402

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
OTHER_KEY = bytes.fromhex("a0112233445566778899aabbccddeeff")


@pytest.fixture
def panel() -> Iterator[Panel]:
    panel = Panel(KEY)
    yield panel
    panel.stop()


@pytest.fixture
def door(panel: Panel) -> Iterator[Osdp]:
    with to(panel) as door:
        wait_until(lambda: door.fault() is None and panel.secure)
        yield door


def to(panel: Panel, *, key: bytes | None = KEY, **more) -> Osdp:
    return Osdp(Bus(panel.channel.device, baud=115200, **more), key=key)


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


def test_commands_of_the_panel_leak_nothing(door: Osdp, panel: Panel) -> None:
    """libosdp's binding gives back one reference too many for each command (decision 0031)."""
    def commands(count: int) -> None:
        for number in range(count):
            colour = ("red", "green")[number % 2]
            code = {"red": osdp.CommandLEDColor.Red, "green": osdp.CommandLEDColor.Green}[colour]
            panel.command(**lamp(code))
            wait_until(lambda colour=colour: door.signal.colour == colour)

    commands(5)
    before = sys.getrefcount(None)
    commands(60)
    assert sys.getrefcount(None) - before > -30


@pytest.mark.parametrize(
    ("key", "installs"),
    [(OTHER_KEY, False), (OTHER_KEY, True), (bytes(range(0x30, 0x40)), False), (None, False)],
    ids=["another key", "installing", "the default key", "none"],
)
def test_panel_with_another_key_never_reads_a_card(key: bytes | None, installs: bool) -> None:
    panel = Panel(key, installs=installs)
    with to(panel) as door:
        wait_until(lambda: "compare the keys" in str(door.fault()))
        for _ in range(10):
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_line_noise_makes_no_card_and_is_recovered_from(
    seed: int, door: Osdp, panel: Panel
) -> None:
    panel.channel.noise = NoisyLine(0.01, seed=seed)
    panel.channel.noise_back = NoisyLine(0.01, seed=seed + 100)
    until, sent = time.monotonic() + 2.5, 0
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


def test_line_that_another_door_has_is_refused(door: Osdp, panel: Panel) -> None:
    with to(panel) as second:
        wait_until(lambda: "nobody else uses it" in str(second.fault()))


def test_device_that_is_no_serial_line_is_reported(tmp_path: Path) -> None:
    plain = tmp_path / "file"
    plain.touch()
    for device, text in ((plain, "cannot be used"), (tmp_path / "none", "cannot open")):
        with Osdp(Bus(device), key=KEY) as door:
            wait_until(lambda door=door, text=text: text in str(door.fault()))


def settings(folder: Path, panel: Panel, *, key: str | None = KEY.hex(), **more) -> dict:
    if key is not None:
        (folder / "scbk").write_text(key + "\n")
        (folder / "scbk").chmod(0o600)
    table = {"kind": "osdp", "device": str(panel.channel.device), "baud": 115200, **more}
    assert first_problem(table, SETTINGS) is None
    return table


def test_settings_open_a_door_that_works(panel: Panel, tmp_path: Path) -> None:
    table = settings(tmp_path, panel, key_file="scbk")
    with Osdp.from_settings(table, base=tmp_path) as door:
        assert door.must_work
        wait_until(lambda: door.fault() is None)


def test_line_without_a_secure_channel_must_be_asked_for(tmp_path: Path) -> None:
    panel = Panel(None)
    table = settings(tmp_path, panel)
    with pytest.raises(DoorError, match="secure_channel = false"):
        Osdp.from_settings(table, base=tmp_path)
    with pytest.raises(DoorError, match="exclude"):
        Osdp.from_settings({**table, "secure_channel": False, "key_file": "scbk"}, base=tmp_path)
    with Osdp.from_settings({**table, "secure_channel": False}, base=tmp_path) as door:
        wait_until(lambda: door.fault() is None and panel.online)
        door.handle(opening())
        wait_until(panel.cards)
    panel.stop()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("30" * 16, "everybody knows"),
        (bytes(range(0x30, 0x40)).hex(), "everybody knows"),
        ("00" * 15, "32 hex digits"),
        ("zz" * 16, "32 hex digits"),
    ],
)
def test_key_that_is_none_or_everybodys_is_refused(
    key: str, text: str, panel: Panel, tmp_path: Path
) -> None:
    table = settings(tmp_path, panel, key=key, key_file="scbk")
    with pytest.raises(DoorError, match=text):
        Osdp.from_settings(table, base=tmp_path)


def test_key_that_others_may_read_or_that_is_missing_is_refused(
    panel: Panel, tmp_path: Path
) -> None:
    table = settings(tmp_path, panel, key_file="scbk")
    (tmp_path / "scbk").chmod(0o644)
    with pytest.raises(DoorError, match="chmod 600"):
        Osdp.from_settings(table, base=tmp_path)
    (tmp_path / "scbk").unlink()
    with pytest.raises(DoorError, match="cannot read"):
        Osdp.from_settings(table, base=tmp_path)


def test_panel_sets_the_key_in_install_mode_and_only_then_gets_cards(tmp_path: Path) -> None:
    silent = Panel(None)
    table = settings(tmp_path, silent, key=None, key_file="scbk", install=True)
    with Osdp.from_settings(table, base=tmp_path) as door:
        wait_until(lambda: silent.online)
        assert "install mode" in str(door.fault())
        with pytest.raises(ActuatorError, match="told nothing"):
            door.handle(opening())
        silent.stop()
        panel = Panel(KEY, channel=silent.channel, installs=True)
        wait_until(lambda: (tmp_path / "scbk").exists())
        wait_until(lambda: "install mode" not in str(door.fault()))
        panel.restart()  # libosdp's panel would pause for minutes after our new beginning
        wait_until(lambda: door.fault() is None and panel.secure)
        assert (tmp_path / "scbk").read_text() == KEY.hex() + "\n"
        assert stat.S_IMODE((tmp_path / "scbk").stat().st_mode) == 0o600
        door.handle(opening())
        wait_until(panel.cards)
    panel.stop()


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
    print("osdp, handle to the panel's poll:", percentiles(door.delays_s()))
    assert sorted(door.delays_s())[15] < 0.5
