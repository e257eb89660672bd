"""docs/decision-engine.md says what the engine does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeface.door.event import Reason
from edgeface.door.rules import SETTINGS, Rules
from edgeface.toml import read_toml
from tests.door.door_world import THRESHOLDS
from tests.door.engine_mutants import MUTANTS


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return (Path(__file__).parents[2] / "docs" / "decision-engine.md").read_text()


def test_example_runs(page):
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "docs/decision-engine.md", "exec"), {})


def test_example_of_door_toml_is_accepted(page, tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "door.toml").write_text(block)
    rules = Rules.from_settings(
        read_toml(tmp_path / "door.toml"),
        base=tmp_path,
        thresholds=THRESHOLDS,
        live_threshold=0.5,
    )
    assert set(rules.groups) == {"staff", "vault"}


def test_every_reason_is_explained(page):
    table = page.split("## Reasons")[1].split("## What else")[0]
    assert {reason.value for reason in Reason} <= set(re.findall(r"`(\w+)`", table))


def test_every_setting_that_the_page_names_exists(page):
    known = {name for table in ("decision", "liveness") for name in SETTINGS[table]["properties"]}
    named = set(re.findall(r"`(\w+_(?:s|visits|target|minute))`", page))
    assert named - known <= {"still_s", "lost_after_s"}, named - known


def test_number_of_mutants_is_that_of_the_page(page):
    assert f"in {len(MUTANTS)} copies" in page
