"""The systemd units that kits bring."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from boards.slot.slot import SELFTEST_SECONDS, SYSTEM_LINKS
from edgeface.agent.fleet_settings import DOOR_UNIT, FOLDER

UNITS = ("edgeface-boot.service", "edgeface.service")
AGENT = "edgeface-agent.service"
ROLLOUTS = "edgeface-rollouts.service"
EXPOSURE_LIMIT = 2.0
"""Of 10. What is left: the network, devices, real-time priority and the question for the time."""
AGENT_EXPOSURE_LIMIT = 1.6
"""What is left: the network and the question for the time."""

NEEDED_DEVICES = {
    "char-video4linux": "cameras",
    "char-drm": "the RK3576's NPU",
    "/dev/vipcore": "the T527's NPU",
    "char-gpiochip": "relays",
    "char-ttyS": "OSDP",
    "char-ttyUSB": "OSDP",
}


@pytest.fixture
def units(repository) -> Path:
    return repository / "boards/files"


def analyze(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Let systemd judge unit files."""
    if not shutil.which("systemd-analyze"):
        pytest.fail("no systemd-analyze") if "CI" in os.environ else pytest.skip("no systemd")
    return subprocess.run(
        ["systemd-analyze", "--man=no", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )


def test_systemd_finds_nothing_wrong_with_the_units(units, tmp_path):
    for name in (*UNITS, AGENT, ROLLOUTS):
        # Programs that only a board has are the one thing that this machine may lack.
        program = r"(?m)^ExecStart=/opt/edgeface/current/bin/edgeface .*$"
        text = re.sub(program, "ExecStart=/bin/true", (units / name).read_text())
        (tmp_path / name).write_text(text)
    done = analyze(tmp_path, "verify", *(tmp_path / name for name in (*UNITS, AGENT, ROLLOUTS)))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_setting(units, tmp_path):
    text = (units / UNITS[0]).read_text().replace("ProtectHome=", "ProtectHomes=")
    (tmp_path / UNITS[0]).write_text(text)
    assert "ProtectHomes" in analyze(tmp_path, "verify", tmp_path / UNITS[0]).stderr


def test_app_waits_for_the_slot_that_works(units):
    boot, app = ((units / name).read_text() for name in UNITS)
    assert "Before=edgeface.service" in boot
    assert "Requires=edgeface-boot.service\nAfter=edgeface-boot.service" in app
    timeout = int(boot.split("TimeoutStartSec=")[1].split()[0])
    assert timeout > 2 * SELFTEST_SECONDS


@pytest.mark.parametrize(
    ("name", "limit"), [(UNITS[1], EXPOSURE_LIMIT), (AGENT, AGENT_EXPOSURE_LIMIT)]
)
def test_exposure_of_a_service_is_low(units, tmp_path, name, limit):
    shutil.copy(units / name, tmp_path)
    threshold = f"--threshold={limit * 10:.0f}"
    done = analyze(tmp_path, "security", "--no-pager", "--offline=true", threshold, tmp_path / name)
    verdict = done.stdout.splitlines()[-1]
    print(verdict)  # noqa: T201
    assert done.returncode == 0, verdict
    assert float(re.search(r": ([0-9.]+)", verdict)[1]) <= limit


def test_agent_is_the_door_s_user_in_the_door_s_folder_and_has_no_device(units):
    door, agent = ((units / name).read_text().splitlines() for name in (UNITS[1], AGENT))
    # Without User=, a dynamic user has the unit's name: edgeface.
    assert "DynamicUser=yes" in door and not [line for line in door if line.startswith("User=")]
    assert {"User=edgeface", "DynamicUser=yes", "PrivateDevices=yes"} <= set(agent)
    for setting in ("StateDirectory=", "StateDirectoryMode=", "UMask=", "EnvironmentFile="):
        found = [[line for line in unit if line.startswith(setting)] for unit in (door, agent)]
        assert found[0] == found[1] != []


def test_a_configuration_is_checked_as_the_door_runs_it(units):
    """A check by another user would leave files that the door may not change."""
    door = (units / UNITS[1]).read_text().splitlines()
    assert set(DOOR_UNIT) <= set(door)
    of_keys = [line for line in door if line.startswith(("LoadCredential=", "SetCredential="))]
    assert set(of_keys) <= set(DOOR_UNIT)


def test_roll_outs_are_begun_by_the_owner_alone(units):
    assert not [link for link in SYSTEM_LINKS if link.endswith(ROLLOUTS)]
    assert f"StateDirectory={Path(FOLDER).name}" in (units / ROLLOUTS).read_text().splitlines()


def test_only_the_token_and_the_log_s_key_must_be_there_for_the_agent_to_start(units):
    text = (units / AGENT).read_text()
    loaded = set(re.findall(r"(?m)^LoadCredential=([^:]+):", text))
    optional = set(re.findall(r"(?m)^SetCredential=([^:]+):", text))
    assert loaded - optional == {"site.token", "audit.pem"}


def test_threshold_of_the_exposure_is_judged_by_systemd(units, tmp_path):
    text = (units / UNITS[1]).read_text()
    weak = re.sub(r"(?m)^(Protect|Private|Restrict|SystemCall).*\n", "", text)
    (tmp_path / UNITS[1]).write_text(weak)
    limit = f"--threshold={EXPOSURE_LIMIT * 10:.0f}"
    done = analyze(tmp_path, "security", "--offline=true", limit, tmp_path / UNITS[1])
    assert done.returncode != 0


def test_door_has_the_devices_that_it_needs_and_no_others(units):
    text = (units / UNITS[1]).read_text()
    allowed = dict(re.findall(r"(?m)^DeviceAllow=(\S+) (\w+)$", text))
    assert "DevicePolicy=closed" in text
    assert set(NEEDED_DEVICES) <= set(allowed) and set(allowed.values()) == {"rw"}
    others = {name for name in allowed if not name.startswith(("char-tty", "char-dma_heap"))}
    assert others <= set(NEEDED_DEVICES)


def test_door_that_hangs_or_fails_is_started_again_for_ever(units):
    lines = (units / UNITS[1]).read_text().splitlines()
    wanted = ("Type=notify", "WatchdogSec=10", "Restart=always", "StartLimitIntervalSec=0")
    assert set(wanted) <= set(lines)


def test_only_the_log_s_key_must_be_there_for_the_door_to_start(units):
    text = (units / UNITS[1]).read_text()
    loaded = set(re.findall(r"(?m)^LoadCredential=([^:]+):", text))
    optional = set(re.findall(r"(?m)^SetCredential=([^:]+):", text))
    assert loaded - optional == {"audit.pem"}


def test_groups_of_the_door_are_those_that_the_udev_rules_give_devices_to(units):
    rules = (units / "70-edgeface.rules").read_text()
    given = set(re.findall(r'GROUP="(\w+)"', rules))
    text = (units / UNITS[1]).read_text()
    groups = re.search(r"(?m)^SupplementaryGroups=(.*)$", text)[1].split()
    assert given <= set(groups) <= {*given, "video"}
