"""THIRD_PARTY.md of a kit: whose software it holds, and under which licence."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path

from boards.kit.wheels import metadata

_HOMES = ("homepage", "home", "repository", "source", "source code", "github")
_TEXT = re.compile(r"(licen[cs]e|copying|notice)", re.IGNORECASE)
_HEAD = """\
# Software in this kit

From the wheels' own metadata; the last column says whether a wheel holds its licence's text. The
vendor's NPU library is not part of a kit. The models' licences and data: `edgeface info`, and the
bundle's MODEL_CARD.md.

| package | version | licence | home | text |
|---|---|---|---|---|
"""


def third_party(wheels: Sequence[Path]) -> str:
    """Return the list as Markdown, a row per package and version."""
    rows = {row(metadata(wheel), has_text=holds_licence(wheel)) for wheel in wheels}
    return _HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in sorted(rows))


def row(told: Message, *, has_text: bool) -> tuple[str, ...]:
    """Return name, version, licence, home page of a package, and whether its text is there."""
    cells = (told["Name"], told["Version"], licence(told), home(told), "yes" if has_text else "no")
    return tuple(str(cell).replace("|", "/").strip() for cell in cells)


def holds_licence(wheel: Path) -> bool:
    """Say whether a wheel has a file named as licences are."""
    with zipfile.ZipFile(wheel) as archive:
        files = [name.rpartition("/")[2] for name in archive.namelist()]
    return any(_TEXT.match(name) for name in files)


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
    """Return where the project lives: its home page, else its sources, else nothing."""
    links = {}
    for text in told.get_all("Project-URL") or ():
        name, _, address = text.partition(",")
        links[name.strip().lower()] = address.strip()
    pages = [told["Home-page"], *(links.get(name) for name in _HOMES)]
    return next((str(page) for page in pages if page), "")
