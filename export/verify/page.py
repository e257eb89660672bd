"""From a build's numbers to what the page shows: tables of text, and pictures."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from export.verify import pictures
from export.verify.limits import EMULATED, GATES, SOURCE_GATES, STRICT_FAR
from export.verify.summary import summary

LAYERS_SHOWN = 18
BESIDE = ("", "cosine mean", "cosine min", "LFW accuracy", "TAR at FAR 0.01", "TAR at FAR 0.001")
GATE_OF = {gate.name: gate for gate in (*GATES, *SOURCE_GATES, EMULATED)}


def context(numbers: Mapping) -> dict:
    """Return the template's variables."""
    results = numbers["results"]
    gates = [_gate(row) for row in numbers["gates"]]
    return {
        "model": numbers["source"]["name"],
        "artefacts": len(numbers["artefacts"]),
        "results": results,
        "sets": [found["source"] for found in numbers["provenance"]["sets"].values()],
        "gates": gates,
        "failed": [row for row in gates if not row["passed"]],
        "summary": summary(results, gates),
        "rates": [
            block for name in ("people", "folder", "pairs") if (block := rates(results, name))
        ],
        "histograms": histograms(results),
        **group_parts(results),
        "layers": layer_parts(numbers),
        "latency": latency(numbers["latency"]),
        "emulated": numbers["emulated"],
        "beside": beside([numbers, *numbers["beside"]]) if numbers["beside"] else None,
        "provenance": provenance(numbers),
    }


def _gate(row: Mapping) -> dict:
    gate = GATE_OF.get(row["name"])
    bound = "≥" if gate is None or gate.least else "≤"
    return {**row, "bound": bound, "why": gate.why if gate else ""}


def rates(results: Sequence[Mapping], name: str) -> dict | None:
    """Return a set's table of accept rates and its ROC picture."""
    shown = [r for r in results if r["sets"].get(name, {}).get("at_far")]
    if not shown:
        return None
    first = shown[0]["sets"][name]
    rows = [
        _rates_row(result["title"], row)
        for result in shown
        for row in result["sets"][name]["at_far"]
    ]
    lines = {r["title"]: r["sets"][name]["curves"]["tar"] for r in shown}
    drawn = first["curves"]
    return {
        "set": first["source"],
        "unit": "people" if first["people"] else "pairs' first photos",
        "threshold": ", ".join(f"{r['float_threshold']:.4f}" for r in first["at_far"]),
        "rows": rows,
        "roc": pictures.roc(lines, float_tar=drawn["float_tar"], least=drawn["least_far"]),
    }


def _rates_row(title: str, row: Mapping) -> dict[str, str]:
    shift = row["threshold"] - row["float_threshold"]
    return {
        "title": title,
        "far": f"{row['far']:g}",
        "threshold": f"{row['threshold']:.4f} ({shift:+.4f})",
        "tar": _rate(row["tar"]),
        "difference": _points(row["difference"]),
        "tar_at_float": _rate(row["tar_at_float"]),
        "difference_at_float": _points(row["difference_at_float"]),
        "far_at_float": f"{row['far_at_float']['value']:.5f}",
    }


def _rate(rate: Mapping) -> str:
    return f"{rate['value']:.4f} [{rate['low']:.3f}, {rate['high']:.3f}]"


def _points(interval: Mapping) -> str:
    value, low, high = (100 * interval[key] for key in ("value", "low", "high"))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def histograms(results: Sequence[Mapping]) -> list[dict]:
    """Return one picture of scores per artefact, on the set that says most."""
    shown = []
    for result in results:
        name = next(n for n in ("people", "folder", "pairs", "faces", *result["sets"])
                    if n in result["sets"])  # fmt: skip
        figures = result["sets"][name]
        strict = [row for row in figures["at_far"] if row["far"] == STRICT_FAR]
        threshold = strict[0]["float_threshold"] if strict else None
        picture = pictures.histogram(figures["curves"], threshold=threshold)
        shown.append({"title": result["title"], "set": name, "picture": picture})
    return shown


def group_parts(results: Sequence[Mapping]) -> dict:
    """Return the pictures of FairFace's groups, their legend, and the largest gaps."""
    drift = {
        result["title"]: figures["drift"]
        for result in results
        for figures in result["sets"].values()
        if figures["drift"]
    }
    if not drift:
        return {"groups": [], "legend": [], "gaps": []}
    attributes = dict.fromkeys(row["attribute"] for row in next(iter(drift.values())))
    drawn = [
        {"title": name.capitalize(), "picture": pictures.groups(drift, attribute=name)}
        for name in attributes
    ]
    gaps = [
        [title, *_gap(rows, attributes, "agreement"), *_gap(rows, attributes, "impostor_shift")]
        for title, rows in drift.items()
    ]
    return {"groups": drawn, "legend": list(zip(drift, pictures.LINES * 4)), "gaps": gaps}


def _gap(rows: Sequence[Mapping], attributes: Mapping, key: str) -> tuple[str, str]:
    found = []
    for attribute in attributes:
        ordered = sorted((r for r in rows if r["attribute"] == attribute), key=lambda r: r[key])
        lowest, highest = ordered[0], ordered[-1]
        found.append((highest[key] - lowest[key], f"{lowest['group']}, {highest['group']}"))
    size, names = max(found)
    return f"{size:.4f}", names


def layer_parts(numbers: Mapping) -> list[dict]:
    """Return pictures of the error per layer and of the NPU's cycles per operator."""
    parts = []
    for report in numbers["sensitivity"].values():
        alone = {row["layer"]: 1 - row["only"]["cosine"] for row in report["layers"]}
        kept = ", ".join(report["kept"]) or "none"
        parts.append(
            {
                "title": "Error per layer",
                "note": f"1 - cosine of the embedding when this layer alone is in INT8, over "
                f"{report['faces']} faces; the worst {LAYERS_SHOWN} of {len(alone)}. All in INT8: "
                f"{report['int8']['cosine']:.4f}. Layers to keep in higher precision: {kept}.",
                "picture": pictures.bars(
                    pictures.thinned(alone, LAYERS_SHOWN), label="1 - cosine, this layer in INT8"
                ),
            }
        )
    for name, cycles in numbers["cycles"].items():
        parts.append(
            {
                "title": f"NPU cycles per operator: {name}",
                "note": f"The compiler's static table: {sum(cycles.values()):,} cycles in all. "
                "It gives none for some operators, so that the sum is a floor.",
                "picture": pictures.bars(pictures.thinned(cycles, LAYERS_SHOWN), label="cycles"),
            }
        )
    return parts


def read_cycles(path: Path) -> dict[str, int]:
    """Return cycles by operator from RKNN's layer table."""
    sums: dict[str, int] = defaultdict(int)
    with path.open(newline="") as handle:
        for row in csv.DictReader(handle):
            sums[row["op"]] += int(row["cycles"])
    return {op: cycles for op, cycles in sums.items() if cycles}


def latency(measured: Mapping | None) -> dict | None:
    """Return the latency part."""
    if not measured or not measured["rows"]:
        return None
    rows = [
        [
            row["label"],
            f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
            f"{row['undisturbed']:.2f}",
            f"{row['int8_ms']:.2f}",
            f"{row['float_ms']:.2f}",
            row["rounds"],
        ]
        for row in measured["rows"]
    ]
    return {
        "note": measured["note"],
        "picture": pictures.ratios(measured["rows"]),
        "rows": rows,
    }


def beside(all_numbers: Sequence[Mapping]) -> dict:
    """Return a table of several models: float and artefacts, on LFW and on people."""
    rows = []
    for numbers in all_numbers:
        model = numbers["source"]["name"]
        results = numbers["results"]
        rows.append([f"{model}, float", *_accuracy(results[0], "float_")])
        rows += [[f"{model}, {r['title']}", *_accuracy(r, "")] for r in results]
    columns = [
        "",
        "cosine mean",
        "cosine min",
        "LFW accuracy",
        "TAR at FAR 0.01",
        "TAR at FAR 0.001",
    ]
    return {"columns": columns, "rows": rows}


def _accuracy(result: Mapping, whose: str) -> list[str]:
    sets = result["sets"]
    agreement = next(
        (sets[n]["agreement"] for n in ("faces", "people", "folder") if n in sets), None
    )
    pairs = sets.get("pairs", {}).get("accuracy")
    people = sets.get("people") or sets.get("folder") or {"at_far": []}
    tar = {row["far"]: row[f"{whose}tar"]["value"] for row in people["at_far"]}
    return [
        "1" if whose else f"{agreement['mean']:.4f}" if agreement else "",
        "1" if whose else f"{agreement['minimum']:.4f}" if agreement else "",
        f"{100 * pairs[f'{whose}value']:.2f} %" if pairs else "",
        *(f"{tar[far]:.4f}" if far in tar else "" for far in (1e-2, 1e-3)),
    ]


def provenance(numbers: Mapping) -> list[tuple[str, str]]:
    """Return hashes, seeds, tools and sets as rows of text."""
    known = numbers["provenance"]
    rows = [(f"SHA-256 of {name}", digest) for name, digest in known["sha256"].items()]
    rows += [(f"set {name}", f"{s['source']}; {s['sha256']}") for name, s in known["sets"].items()]
    rows += [("seed", str(known["seed"]))]
    rows += [("tools", ", ".join(f"{name} {number}" for name, number in known["tools"].items()))]
    for artefact in numbers["artefacts"]:
        built = ", ".join(f"{k} {v}" for k, v in artefact["built_with"].items())
        rows.append((artefact["file"], built or "not said"))
    return rows
