"""One page of what was verified: a self-contained HTML file, and the same numbers as JSON.

``python -m export report --work WORK``, after ``export verify``. Draws what it finds in WORK: the
figures, and where they were measured, latencies, the emulated ARM run, the sensitivity report and
RKNN's layer table. ``--beside`` sets other models' builds next to this one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jinja2

from export.errors import VerifyError
from export.verify import page

FOLDER, FIGURES = "verify", "figures.json"
TEMPLATE = Path(__file__).with_name("report.html")
PAGE, NUMBERS = "report.html", "report.json"
PARTS = ("latency", "emulated")
"""What else `export.verify` measures, each in ``WORK/verify/<part>.json``."""


def write_report(work: Path, *, beside: Sequence[Path] = ()) -> Path:
    """Write ``WORK/verify/report.html`` and ``report.json``; returns the page's path.

    Parameters
    ----------
    work : folder of a build that ``export verify`` has measured.
    beside : other such folders; their summaries stand in a table of their own.

    Raises
    ------
    VerifyError
        There are no figures yet.
    """
    numbers = gathered(work)
    numbers["beside"] = [read_figures(other) for other in beside]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text())
    path = work / FOLDER / PAGE
    path.write_text(template.render(page.context(numbers)))
    path.with_name(NUMBERS).write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    return path


def gathered(work: Path) -> dict:
    """Return everything that a build's folder has for its report, as plain JSON."""
    numbers = read_figures(work)
    for part in PARTS:
        path = work / FOLDER / f"{part}.json"
        numbers[part] = json.loads(path.read_text()) if path.is_file() else None
    notes = sorted(work.glob("**/sensitivity*.json"))
    numbers["sensitivity"] = {path.stem: json.loads(path.read_text()) for path in notes}
    tables = {path.name.split(".")[0]: path for path in sorted(work.glob("*/*.layers.csv"))}
    numbers["cycles"] = {name: page.read_cycles(path) for name, path in tables.items()}
    return numbers


def read_figures(work: Path) -> dict:
    """Return ``WORK/verify/figures.json``."""
    path = work / FOLDER / FIGURES
    if not path.is_file():
        raise VerifyError(
            f"{path} is missing: expected the figures of a build; run: python -m export verify "
            f"--work {work} --data DATA"
        )
    return json.loads(path.read_text())
