"""A report as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from edgeface.bench import charts
from edgeface.bench.stages import TOGETHER
from edgeface.bench.style import STYLE
from edgeface.bench.text import drift_line, stage_rows, sweep_rows

_WIDE, _SLIM = 950, 336  # CSS pixels that a section has room for


def page(report: Mapping[str, Any]) -> str:
    """Return a report of `edgeface.bench.report` as HTML."""
    best = _best(report)
    body = [*_header(report), *_findings(report["findings"])]
    if best:
        body += [_cards(best), *_drift(report), *_sweep(report), _latency(best)]
    else:
        body.append(_reasons(report["configurations"]))
    body += [*_timelines(report["conditions"]), _setting(report)]
    title = escape(f"edgeface bench: {report['machine']['board']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _best(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    named = [one for one in report["configurations"] if one["name"] == report["fastest"]]
    return named[0] if named else None


def _header(report: Mapping[str, Any]) -> list[str]:
    machine, setting = report["machine"], report["setting"]
    what = {
        "stages": "How long a face takes",
        "sweep": "Which way is fastest",
        "sustained": "A long run",
    }
    return [
        "<header>",
        f"<h1>{what[report['kind']]} on {escape(machine['board'])}</h1>",
        f'<p class="soft">{escape(_cpu(machine))}<br>{escape(setting["bundle"])}, '
        f"{escape(report['created'].replace('T', ' '))}</p>",
        "</header>",
    ]


def _cpu(machine: Mapping[str, Any]) -> str:
    clusters = " + ".join(f"{len(one['cpus'])} × {one['name']}" for one in machine["clusters"])
    memory = f"{machine['memory_bytes'] / 1e9:.1f} GB"
    known = [machine["model"], machine["cpu"], clusters, machine["npu"], memory]
    return ", ".join(filter(None, known))


def _findings(found: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for one in found:
        look = "warning" if one["level"] == "warning" else "remark"
        yield f'<p class="finding {look}">{escape(one["text"])}</p>'


def _cards(best: Mapping[str, Any]) -> str:
    figures = best["rows"][TOGETHER]
    cards = [
        (f"{figures['p50_ms']:.2f}", "ms", "photo to embedding, median"),
        (f"{figures['p95_ms']:.2f}", "ms", "95th percentile"),
        (f"{best['throughput_per_s']:.0f}", "/s", "throughput, one after another"),
        (f"{best['cold_start_ms']['total']:.0f}", "ms", "cold start to first face"),
        (f"{best['peak_mb']:.0f}", "MB", "peak memory"),
        (f"{best['selftest_cosine']:.4f}", "", "self-test cosine"),
    ]
    cards += [
        (f"{value:.1f}", "mJ", f"energy a photo, {name}")
        for name, value in best["energy_mj"].items()
    ]
    made = (
        f'<div class="card"><b>{number} <small>{unit}</small></b><span>{escape(label)}</span></div>'
        for number, unit, label in cards
    )
    return f'<div class="cards">{"".join(made)}</div>'


def _sweep(report: Mapping[str, Any]) -> Iterator[str]:
    entries = report["configurations"]
    if len(entries) < 2:
        return
    note = (
        "Median of all stages together; the dark part is the embedder, the thin line reaches to "
        "the 95th percentile. cos: self-test cosine; whose falls is refused, however fast."
    )
    inside = [_both(lambda width: charts.sweep(entries, width)), _table(sweep_rows(report))]
    yield _section("Configurations", note, [*inside, _reasons(entries)])


def _reasons(entries: Iterable[Mapping[str, Any]]) -> str:
    items = [
        f"<li>{escape(one['name'])}: {escape(one['status'])}. {escape(one['reason'])}</li>"
        for one in entries
        if one["status"] != "measured"
    ]
    return f'<ul class="reasons">{"".join(items)}</ul>' if items else ""


def _latency(best: Mapping[str, Any]) -> str:
    start = best["cold_start_ms"]
    note = (
        f"{best['name']}: {best['runs']} rounds in {best['processes']} "
        f"process{'es' if best['processes'] > 1 else ''}. Solid line p50, dashed line p95; "
        "numbers are p50 / p95 / p99."
    )
    cold = (
        f'<p class="note">Cold start {start["total"]:.0f} ms: import {start["import"]:.0f}, load '
        f"{start['load']:.0f}, self-test {start['selftest']:.0f}, first photo "
        f"{start['first']:.0f}.</p>"
    )
    inside = [_both(lambda width: charts.latency(best, width)), _table(stage_rows(best)), cold]
    return _section("Latency of each stage", note, inside)


def _drift(report: Mapping[str, Any]) -> Iterator[str]:
    if "sustained" in report:
        found = report["sustained"]
        line = drift_line(report)
        note = (
            line[0].upper() + line[1:] + ". Line: median, band: up to p95; shaded: first and last."
        )
        yield _section(
            f"{found['minutes']:g} minutes without a pause", note,
            [_both(lambda width: charts.drift(found, width))],
        )  # fmt: skip


def _timelines(conditions: Mapping[str, Any]) -> Iterator[str]:
    series = conditions["timeline"]
    kinds = (("temperatures_c", "Temperatures", "°C", 1), ("clocks_khz", "Clocks", "MHz", 1000))
    for kind, title, unit, divide in kinds:
        if not series[kind]:
            continue

        def draw(width: int, kind: str = kind, unit: str = unit, divide: int = divide) -> str:
            return charts.timeline(series, kind, unit=unit, divide=divide, width=width)

        note = f"Five times a second{', red: throttled' if any(series['throttled']) else ''}."
        yield _section(title, note, [_key(series[kind]), _both(draw)])


def _key(names: Iterable[str]) -> str:
    items = (
        f'<span><i style="background:var(--s{number % charts.SERIES})"></i>{escape(name)}</span>'
        for number, name in enumerate(names)
    )
    return f'<div class="key">{"".join(items)}</div>'


def _setting(report: Mapping[str, Any]) -> str:
    machine, setting, method = (report[key] for key in ("machine", "setting", "method"))
    governors = report["conditions"]["before"]["governors"]
    rows = {
        "edgeface": f"{setting['edgeface']} {report['commit']}".strip(),
        "model": f"{setting['bundle']}, {setting['model_id']}",
        "runtime": ", ".join(f"{name} {number}" for name, number in setting["runtime"].items()),
        "native code": setting["isa"],
        "system": f"{machine['os']}, {machine['arch']}",
        "governors": ", ".join(f"{name} {value}" for name, value in governors.items())
        or "not told by this kernel",
        "method": f"fresh processes: {method['processes']}, rounds to warm up: {method['warmup']}, "
        f"picture {method['picture']}",
    }
    cells = "".join(f"<tr><td>{name}</td><td>{escape(v)}</td></tr>" for name, v in rows.items())
    table = f'<table class="wrap">{cells}</table>'
    return _section("Setting", "Times hold for this, and for this hour.", [table])


def _section(title: str, note: str, parts: Iterable[str]) -> str:
    head = f'<section>\n<h2>{escape(title)}</h2>\n<p class="note">{escape(note)}</p>\n'
    return head + "\n".join(filter(None, parts)) + "\n</section>"


def _both(draw: Callable[[int], str]) -> str:
    """A picture for wide screens and one for phones; the style sheet shows one of them."""
    return f'<div class="wide">{draw(_WIDE)}</div><div class="slim">{draw(_SLIM)}</div>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rest]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'
