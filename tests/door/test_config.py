"""door.toml: what is refused, and that the text names the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeface.door.assemble import open_camera, perceive_and_decide
from edgeface.door.config import read_config
from edgeface.door.new import make_door
from edgeface.errors import DoorError

RELAY = """
[[actuators]]
kind = "relay"
name = "strike"
chip = "/dev/gpiochip0"
line = 17
fail = "secure"
"""


@pytest.fixture
def file(tmp_path) -> Path:
    list(make_door(tmp_path / "door"))
    return tmp_path / "door" / "door.toml"


def test_new_door_is_a_door_whose_keys_are_its_owners(file):
    assert read_config(file).name == "front"
    for key in ("gallery.key", "audit.pem"):
        assert (file.parent / key).stat().st_mode & 0o077 == 0


def test_folder_that_has_a_door_is_left_as_it_is(file):
    before = file.read_bytes()
    with pytest.raises(DoorError, match=r"has door\.toml, gallery\.key, audit\.pem already"):
        list(make_door(file.parent))
    assert file.read_bytes() == before


def test_every_setting_of_the_template_can_be_used(file):
    """The lines that are commented out too, as their reader would uncomment them."""
    text = re.sub(r"(?m)^# ((\[|\w+ = ).*)$", r"\1", file.read_text())
    assert text.count("[[actuators]]") == 2
    file.write_text(text)
    assert len(read_config(file).tables["actuators"]) == 2


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('name = "front"', "", "field(s) name"),
        ('name = "front"', 'name = "front door"', "front door"),
        ("[camera]", "[camera]\nfps = 0", "fps"),
        ("[camera]", "[camera]\nzoom = 2", "zoom"),
        ("[decision]", "[decision]\nframes = 0", "frames"),
        ("[decision]", "[decisions]", "decisions"),
        ("[liveness]", "[liveness]\nfeed = { still_s = -1 }", "still_s"),
        ("[liveness]", '[liveness]\nchallenge = { steps = ["wink"] }', "steps"),
        ("[audit]", "[audit]\nrotate_mib = 1000", "rotate_mib"),
        ("[gallery]", "[gallery]\nmodel = 1", "model"),
        ('days = ["mon"', 'days = ["monday"', "monday"),
        ("# [[actuators]]", '[[actuators]]\nname = "x"', "kind"),
        ("# [[actuators]]", '[[actuators]]\nname = "x"\nkind = "laser"', "laser"),
        ("# [[actuators]]", f"{RELAY}pulse = 3\n", "strike"),
        ("# [[actuators]]", f"{RELAY}{RELAY}", "strike"),
    ],
)
def test_wrong_setting_is_refused_and_named(file, old, new, named):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DoorError, match=re.escape(named)) as refused:
        read_config(file)
    assert "door.toml" in str(refused.value)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"[camera\n"])
def test_file_that_is_no_toml_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(DoorError, match="not TOML"):
        read_config(file)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(DoorError, match="there is no"):
        read_config(tmp_path / "door.toml")


def test_contradiction_that_no_schema_sees_is_a_door_error(file):
    text = file.read_text().replace("[camera]", "[camera]\nreconnect_limit_s = 0.1", 1)
    file.write_text(text)
    with pytest.raises(DoorError, match="reconnect_limit_s"):
        open_camera(read_config(file))


def test_door_without_liveness_needs_its_owners_word(file, pipeline):
    text = file.read_text().replace('"passive+challenge"', '"none"', 1)
    file.write_text(text)
    with pytest.raises(DoorError, match="i_understand"):
        perceive_and_decide(read_config(file), pipeline, gallery=None)


def test_digest_changes_with_what_is_said_and_not_with_how(file):
    digest = read_config(file).digest
    text = file.read_text()
    file.write_text("# a comment\n" + text)
    assert read_config(file).digest == digest
    file.write_text(text.replace("pulse_s = 3", "pulse_s = 4"))
    assert read_config(file).digest != digest
