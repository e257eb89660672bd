"""The report's pictures, each for a width in CSS pixels: a phone's, or a wide screen's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeface.bench.stages import TOGETHER
from edgeface.bench.svg import Scale, area, curve, frame, line, picture, rect, span, text

NARROW = 480
"""Below this width there is no room for labels beside things."""

_MARGIN_LEFT, _MARGIN_RIGHT = 46, 12
SERIES = 6
"""Colours of series, after which they begin again."""


def latency(entry: Mapping[str, Any], width: int) -> str:
    """Draw how a configuration's times are spread: a row for each stage, on one axis."""
    narrow, row = width < NARROW, 62
    rows = list(entry["rows"].items())
    end = 1.15 * max(figures["p99_ms"] for _, figures in rows)
    left = 10 if narrow else 130
    x = Scale(0, end, left, width - (10 if narrow else 150))
    bottom = len(rows) * row + 12
    parts = []
    for value in x.ticks(5 if narrow else 9):
        parts.append(line(x(value), 8, x(value), bottom, look="grid"))
        parts.append(text(x(value), bottom + 16, f"{value:g}", look="tick", anchor="middle"))
    parts.append(text(x.end, bottom + 34, "milliseconds", look="unit", anchor="end"))
    for number, (stage, figures) in enumerate(rows):
        times = entry["samples_ms"][stage]
        parts += _ridge(stage, figures, times, x=x, base=(number + 1) * row, narrow=narrow)
    return picture(parts, width=width, height=bottom + 40, title="Latency of each stage")


def _ridge(
    stage: str,
    figures: Mapping[str, float],
    times: Sequence[float],
    *,
    x: Scale,
    base: float,
    narrow: bool,
) -> list[str]:
    counts, edges = np.histogram(np.minimum(times, x.high), bins=160, range=(0, x.high))
    smooth = np.convolve(counts, (0.25, 0.5, 0.25), "same")
    heights = 34 * smooth / smooth.max()
    kept = np.flatnonzero(smooth)
    low, high = max(0, kept[0] - 1), min(len(smooth), kept[-1] + 2)
    middles = (edges[:-1] + edges[1:]) / 2
    upper = [(x(m), base - h) for m, h in zip(middles[low:high], heights[low:high])]
    lower = [(px, base) for px, _ in upper]
    whole = "together" if stage == TOGETHER else "stage"
    marks = [(figures["p50_ms"], "mark50", 34), (figures["p95_ms"], "mark95", 22)]
    values = f"{figures['p50_ms']:.2f} / {figures['p95_ms']:.2f} / {figures['p99_ms']:.2f}"
    return [
        line(x.start, base, x.end, base, look="axis"),
        area(upper, lower, look=f"ridge {whole}"),
        *(line(x(v), base - height, x(v), base, look=look) for v, look, height in marks),
        text(x.start if narrow else x.start - 12, base - (40 if narrow else 6), stage,
             look="label", anchor="start" if narrow else "end"),
        text(x.end + (0 if narrow else 14), base - (40 if narrow else 6), values,
             look="value", anchor="end" if narrow else "start"),
    ]  # fmt: skip


def sweep(entries: Sequence[Mapping[str, Any]], width: int) -> str:
    """Draw configurations as bars, fastest first, and those that were refused below."""
    there = [one for one in entries if one["status"] == "measured"]
    there.sort(key=lambda one: one["rows"][TOGETHER]["p50_ms"])
    refused = [one for one in entries if one["status"] != "measured"]
    longest = max((one["rows"][TOGETHER]["p95_ms"] for one in there), default=1.0)
    narrow = width < NARROW
    x = Scale(0, longest, 0 if narrow else 232, width - (66 if narrow else 150))
    row = 54 if narrow else 34
    parts = []
    for number, one in enumerate(there):
        parts += _bar(one, x=x, top=number * row, narrow=narrow, first=number == 0)
    for number, one in enumerate(refused, len(there)):
        parts += _refused(one, x=x, top=number * row, narrow=narrow)
    height = (len(there) + len(refused)) * row + 4
    return picture(parts, width=width, height=height, title="Configurations by time")


def _bar(one: Mapping[str, Any], *, x: Scale, top: float, narrow: bool, first: bool) -> list[str]:
    figures, embed = one["rows"][TOGETHER], one["rows"]["embed"]["p50_ms"]
    y = top + (22 if narrow else 6)
    p50, middle = x(figures["p50_ms"]), y + 9
    tip = f"{one['name']}: p50 {figures['p50_ms']:.3f} ms, p95 {figures['p95_ms']:.3f} ms"
    cosine = f"cos {one['selftest_cosine']:.4f}"
    return [
        text(0 if narrow else x.start - 12, top + 15 if narrow else y + 14, one["name"],
             look="label strong" if first else "label", anchor="start" if narrow else "end"),
        rect(x.start, y, p50 - x.start, 18, look="bar fastest" if first else "bar", tip=tip),
        rect(p50 - (x(embed) - x.start), y, x(embed) - x.start, 18,
             look="part fastest" if first else "part", tip=f"embed {embed:.3f} ms"),
        line(p50, middle, x(figures["p95_ms"]), middle, look="whisker"),
        text(x.end + 10, y + 14, f"{figures['p50_ms']:.2f} ms",
             look="value strong" if first else "value"),
        text(x.end + (66 if narrow else 150), top + 15 if narrow else y + 14, cosine,
             look="cosine", anchor="end"),
    ]  # fmt: skip


def _refused(one: Mapping[str, Any], *, x: Scale, top: float, narrow: bool) -> list[str]:
    cosine = one["selftest_cosine"]
    what = one["status"] + ("" if cosine is None else f", cosine {cosine:.4f}")
    y = top + (22 if narrow else 6)
    return [
        text(0 if narrow else x.start - 12, top + 15 if narrow else y + 14, one["name"],
             look="label gone", anchor="start" if narrow else "end"),
        rect(x.start, y, x.end - x.start, 18, look="refused", tip=one["reason"]),
        text(x.start + 8, y + 13, what, look="bad"),
    ]  # fmt: skip


def timeline(series: Mapping[str, Any], kind: str, *, unit: str, divide: int, width: int) -> str:
    """Draw one kind of reading over time, with the moments of throttling marked."""
    seconds, lines = series["seconds"], series[kind]
    values = [v / divide for column in lines.values() for v in column if v is not None]
    x = Scale(0, max(seconds[-1], 1e-3), _MARGIN_LEFT, width - _MARGIN_RIGHT)
    y = Scale(*span(values, least=4 if divide == 1 else 100), 170, 30)
    parts = _hot(series, x, y)
    count = 5 if width < NARROW else 10
    parts += frame(x, y, x_count=count, x_unit="seconds", y_unit=unit)
    for number, column in enumerate(lines.values()):
        points = [(x(t), y(v / divide)) for t, v in zip(seconds, column) if v is not None]
        parts.append(curve(points, look=f"series s{number % SERIES}"))
    return picture(parts, width=width, height=206, title=f"{unit} over time")


def _hot(series: Mapping[str, Any], x: Scale, y: Scale) -> list[str]:
    moments = [*series["seconds"], series["seconds"][-1]]
    return [
        rect(x(start), y.end, x(end) - x(start) + 0.5, y.start - y.end, look="hot", round_=0)
        for start, end, throttled in zip(moments, moments[1:], series["throttled"])
        if throttled
    ]


def drift(found: Mapping[str, Any], width: int) -> str:
    """Draw a long run: the median of each window, up to its 95th percentile."""
    windows = found["windows"]
    minutes = [second / 60 for second in windows["seconds"]]
    p50, p95 = windows["p50_ms"], windows["p95_ms"]
    x = Scale(0, found["minutes"], _MARGIN_LEFT, width - _MARGIN_RIGHT)
    y = Scale(*span([*p50, *p95], least=0.2 * max(p50)), 230, 30)
    low = [(x(t), y(v)) for t, v in zip(minutes, p50)]
    high = [(x(t), y(v)) for t, v in zip(minutes, p95)]
    parts = _edges(found, x, y)
    count = 5 if width < NARROW else 10
    parts += frame(x, y, x_count=count, x_unit="minutes", y_unit="ms, all stages together")
    parts += [area(high, low, look="band"), curve(high, look="upper"), curve(low, look="series s0")]
    return picture(parts, width=width, height=266, title="Time over a long run")


def _edges(found: Mapping[str, Any], x: Scale, y: Scale) -> list[str]:
    """The first and the last part, which the drift compares."""
    if found["drift"] is None:
        return []
    edge = x(found["drift"]["edge_s"] / 60) - x.start
    height = y.start - y.end
    return [
        rect(start, y.end, edge, height, look="edge", round_=0) for start in (x.start, x.end - edge)
    ]
