"""The report's first table: a row per artefact, the float network on top, gates in colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NEAR_POINTS = 0.3  # of LFW accuracy: issue 4 shows it; a mark, and no gate


@dataclass(frozen=True)
class Column:
    """Title, text of a result (and of the float network), and the gates that colour it."""

    title: str
    text: Callable[[Mapping], str]
    float_text: Callable[[Mapping], str] = lambda _: ""
    gates: tuple[str, ...] = ()
    note: str = ""


def summary(results: Sequence[Mapping], gates: Sequence[Mapping]) -> dict:
    """Return the table's columns and its rows of cells (text, state)."""
    first = results[0]
    rows = [[{"text": "float", "state": ""}, *(_float_cell(c, first) for c in COLUMNS)]]
    for result in results:
        own = {row["name"]: row["passed"] for row in gates if row["artefact"] == result["title"]}
        cells = [{"text": c.text(result), "state": _state(c, result, own)} for c in COLUMNS]
        rows.append([{"text": result["title"], "state": ""}, *cells])
    return {"columns": [Column("", str), *COLUMNS], "rows": rows}


def _float_cell(column: Column, result: Mapping) -> dict:
    return {"text": column.float_text(result), "state": ""}


def _state(column: Column, result: Mapping, own: Mapping[str, bool]) -> str:
    if column.title == LFW:
        found = _pairs(result)
        near = found and abs(found["value"] - found["float_value"]) * 100 <= NEAR_POINTS + 1e-9
        return "" if found is None else "ok" if near else "bad"
    judged = [own[name] for name in column.gates if name in own]
    return "" if not judged else "ok" if all(judged) else "bad"


LFW = "LFW accuracy"


def _pairs(result: Mapping) -> Mapping | None:
    return result["sets"].get("pairs", {}).get("accuracy")


def _people(result: Mapping) -> Mapping:
    sets = result["sets"]
    return sets.get("people") or sets.get("folder") or {"at_far": [], "identification": []}


def _faces(result: Mapping) -> Mapping:
    sets = result["sets"]
    return next((sets[name] for name in ("faces", "folder", "people") if name in sets),
                next(iter(sets.values())))  # fmt: skip


def _size(result: Mapping) -> str:
    size = result["size"]
    ratio = "" if size["ratio"] is None else f" ({100 * size['ratio']:.1f} %)"
    return f"{size['bytes'] / 1e6:.2f}{ratio}"


def _strict(result: Mapping) -> Mapping | None:
    rows = [row for row in _people(result)["at_far"] if row["far"] == 1e-3]
    return rows[0] if rows else None


def _lost(result: Mapping) -> str:
    row = _strict(result)
    if row is None:
        return ""
    tar, float_tar = row["tar_at_float"]["value"], row["float_tar"]["value"]
    return f"{tar:.4f} ({100 * (tar - float_tar):+.2f})"


def _top1(key: str) -> Callable[[Mapping], str]:
    def text(result: Mapping) -> str:
        found = _people(result)["identification"]
        return " / ".join(f"{100 * one[key]['value']:.1f}" for one in found)

    return text


def _accuracy(result: Mapping) -> str:
    found = _pairs(result)
    if found is None:
        return ""
    change = 100 * (found["value"] - found["float_value"])
    return f"{100 * found['value']:.2f} ({change:+.2f})"


def _steady(result: Mapping) -> str:
    found = _pairs(result)
    if found is None:
        return ""
    value, low, high = (100 * found["at_float_threshold"][k] for k in ("value", "low", "high"))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _group_gap(drift: Sequence[Mapping]) -> str:
    gaps = []
    for attribute in {row["attribute"] for row in drift}:
        values = [row["agreement"] for row in drift if row["attribute"] == attribute]
        gaps.append(max(values) - min(values))
    return f"{max(gaps):.4f}" if gaps else ""


COLUMNS = (
    Column(
        "size, MB",
        _size,
        lambda r: f"{(r['size']['float_bytes'] or 0) / 1e6:.2f}",
        ("size ratio",),
        "of float",
    ),
    Column(
        "cosine mean",
        lambda r: f"{_faces(r)['agreement']['mean']:.4f}",
        lambda _: "1",
        ("cosine mean",),
        "to float",
    ),
    Column(
        "min",
        lambda r: f"{_faces(r)['agreement']['minimum']:.4f}",
        lambda _: "1",
        ("cosine min",),
    ),
    Column(
        "score error",
        lambda r: f"{_faces(r)['score_error']['p95']:.4f}",
        lambda _: "0",
        ("pair score error p95",),
        "95 % of pairs",
    ),
    Column(
        "TAR",
        _lost,
        lambda r: "" if (row := _strict(r)) is None else f"{row['float_tar']['value']:.4f}",
        ("TAR lost at the float threshold",),
        "float's threshold",
    ),
    Column(
        "FAR",
        lambda r: "" if (row := _strict(r)) is None else f"{row['far_at_float']['value']:.5f}",
        lambda r: "" if _strict(r) is None else "0.00100",
        ("FAR at the float threshold over its target",),
        "float's threshold",
    ),
    Column("top-1, %", _top1("rate"), _top1("float_rate"), (), "1 / 3 templates"),
    Column(
        LFW,
        _accuracy,
        lambda r: "" if (found := _pairs(r)) is None else f"{100 * found['float_value']:.2f}",
        (),
        "%, points to float",
    ),
    Column("LFW change", _steady, lambda _: "", (), "float's threshold, points"),
    Column(
        "strangers",
        lambda r: f"{_faces(r)['spread']['impostor_mean']:.3f}",
        lambda r: f"{_faces(r)['float_spread']['impostor_mean']:.3f}",
        ("impostor mean shift", "impostor spread ratio"),
        "mean cosine",
    ),
    Column(
        "group gap",
        lambda r: _group_gap(_faces(r)["drift"]),
        lambda _: "",
        ("group agreement gap", "group impostor shift gap"),
        "of cosine",
    ),
    Column(
        "bad rows",
        lambda r: str(sum(one["bad_rows"] for one in r["sets"].values())),
        lambda _: "",
        ("bad rows",),
    ),
)
