"""Judge results by the gates of `export.verify.limits`; a row is the manifest's ``gates``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from export.errors import VerifyError
from export.verify.figures import Result
from export.verify.limits import EMULATED, GATES, SOURCE_GATES, Gate

FLOAT = "float network"


def judge(result: Result, *, limits: Mapping[str, float] | None = None) -> list[dict]:
    """Return a result's rows for the manifest: artefact, name, measured, limit, passed.

    Parameters
    ----------
    result : figures of one artefact.
    limits : gate name → a limit that replaces the documented one; it stands in the row.

    Raises
    ------
    ValueError
        ``limits`` names no gate.
    """
    unknown = set(limits or ()) - {gate.name for gate in GATES}
    if unknown:
        names = ", ".join(repr(gate.name) for gate in GATES)
        raise ValueError(f"no gate {sorted(unknown)}; expected one of {names}")
    rows = []
    for gate in GATES:
        limit = (limits or {}).get(gate.name, gate.limit_for(result))
        measured = gate.measure(result)
        if limit is None or (measured is None and not gate.required):
            continue
        rows.append(row(result.title, gate, measured, limit))
    return rows


def row(title: str, gate: Gate, measured: float | None, limit: float) -> dict:
    """Return one row; a figure that is missing or not finite has failed."""
    usable = measured is not None and math.isfinite(measured)
    return {
        "artefact": title,
        "name": gate.name,
        "measured": round(float(measured), 6) if usable else None,
        "limit": limit,
        "passed": usable and gate.passes(measured, limit),
    }


def refuse(rows: Sequence[Mapping], *, artefacts: Sequence[str] = ()) -> None:
    """Raise unless every row passed and every artefact was judged.

    Parameters
    ----------
    rows : of all artefacts that are to be packed.
    artefacts : titles (`Artefact.title`) that must have rows.

    Raises
    ------
    VerifyError
        Names each failed gate with what was measured, its limit and what to look at.
    """
    unjudged = [
        title for title in artefacts if not any(_belongs(row["artefact"], title) for row in rows)
    ]
    failed = [row for row in rows if not row["passed"]]
    if not failed and not unjudged:
        return
    lines = [f"  {title}: not verified; run: python -m export verify" for title in unjudged]
    lines += [_complaint(row) for row in failed]
    raise VerifyError(f"{len(lines)} reasons not to pack these artefacts:\n" + "\n".join(lines))


def _belongs(judged: str, title: str) -> bool:
    return judged == title or judged.startswith(f"{title},")


def _complaint(row: Mapping) -> str:
    gate = next((g for g in (*GATES, *SOURCE_GATES, EMULATED) if g.name == row["name"]), None)
    bound = "at least" if gate is None or gate.least else "at most"
    measured = "nothing" if row["measured"] is None else f"{row['measured']:.4g}"
    advice = f"; look at {gate.look}" if gate else ""
    return (
        f"  {row['artefact']}: {row['name']}: measured {measured}, expected {bound} "
        f"{row['limit']:g}{advice}"
    )


def judge_source(measured: Mapping[str, float]) -> list[dict]:
    """Return rows for the float network itself, from gate name → figure."""
    gates = [gate for gate in SOURCE_GATES if gate.name in measured]
    return [row(FLOAT, gate, measured[gate.name], gate.limit) for gate in gates]
