"""THIRD_PARTY.md of a kit: whose software it holds, and under which licence."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message
from pathlib import Path

from boards.kit.wheels import metadata

_HEAD = """\
# Software in this kit

From the wheels' own metadata; each wheel holds its licence's full text. The vendor's NPU library is
not part of a kit. The models' licences and data: `edgeface info`, and the bundle's MODEL_CARD.md.

| package | version | licence | home |
|---|---|---|---|
"""


def third_party(wheels: Sequence[Path]) -> str:
    """Return the list as Markdown, a row per package and version."""
    rows = {row(metadata(wheel)) for wheel in wheels}
    return _HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in sorted(rows))


def row(told: Message) -> tuple[str, str, str, str]:
    """Return name, version, licence and home page of a package's metadata."""
    cells = (str(told["Name"]), str(told["Version"]), licence(told), home(told))
    return tuple(cell.replace("|", "/").strip() for cell in cells)  # type: ignore[return-value]


def licence(told: Message) -> str:
    """Return the licence in a few words: the expression, else classifiers, else the field."""
    if told["License-Expression"]:
        return str(told["License-Expression"])
    classifiers = told.get_all("Classifier") or ()
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    if named:
        return ", ".join(named)
    field = str(told["License"] or "").strip().splitlines()
    return field[0][:80] if field else "not stated: see the wheel"


def home(told: Message) -> str:
    """Return the project's address, or nothing."""
    if told["Home-page"]:
        return str(told["Home-page"])
    links = [text.partition(",") for text in told.get_all("Project-URL") or ()]
    return links[0][2].strip() if links else ""
