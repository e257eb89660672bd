"""SECURITY.md: each line of the threat model names a test, and that test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NODE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
DOOR = TEXT.split("## The door")[1].split("### What is not protected against")[0]
SITE = TEXT.split("## The site")[1].split("## The rest")[0]


def rows() -> list[str]:
    """Lines of the tables that say what an attacker does."""
    tables = [*DOOR.split("### ")[1:], *SITE.split("### ")[1:]]
    lines = [line for table in tables for line in table.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| he |")]


@cache
def functions_in(file: str) -> frozenset[str]:
    """Names of the functions in a file of tests; none where there is no such file."""
    tree = ast.parse((ROOT / file).read_text("utf-8")) if (ROOT / file).is_file() else ast.parse("")
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_there_is_a_table_for_each_attacker():
    attackers = re.findall(r"(?m)^\| (visitor|neighbour|thief|operator|supplier) \|", DOOR)
    assert [name.capitalize() for name in attackers] == re.findall(r"(?m)^### (\w+)$", DOOR)
    attackers = re.findall(r"\*\*([\w ]+)\*\*", SITE.split("###")[0])
    assert [name.capitalize() for name in attackers] == re.findall(r"(?m)^### (.+)$", SITE)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip()[:60])
def test_line_of_the_threat_model_names_tests_that_exist(row):
    named = NODE.findall(row)
    assert named, f"no test holds: {row}"
    missing = [f"{file}::{name}" for file, name in named if name not in functions_in(file)]
    assert missing == []
