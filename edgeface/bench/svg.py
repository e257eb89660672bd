"""Small pictures as SVG text: a scale, axes and shapes, coloured by the page's own CSS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values beyond the ends stay at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Return about `count` round values in it."""
        return ticks(self.low, self.high, count)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` values between two, of steps 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def span(values: Iterable[float], *, least: float) -> tuple[float, float]:
    """Return ends around values with some room, at least so wide."""
    there = list(values)
    low, high = min(there), max(there)
    room = max(0.08 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


def picture(parts: Iterable[str], *, width: float, height: float, title: str) -> str:
    """Return parts as one SVG element that fills the page's width."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, *, look: str = "", anchor: str = "start") -> str:
    """Return a line of text whose baseline begins, ends or is centred at (x, y)."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{look}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, *, look: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{look}"/>'


def rect(
    x: float, y: float, width: float, height: float, *, look: str, tip: str = "", round_: float = 2
) -> str:
    """Return a rectangle; `tip` shows where the pointer rests on it."""
    shape = (
        f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" '
        f'rx="{round_}" class="{look}"'
    )
    return f"<rect {shape}><title>{escape(tip)}</title></rect>" if tip else f"<rect {shape}/>"


def curve(points: Sequence[tuple[float, float]], *, look: str) -> str:
    """Return a line through points."""
    return f'<path d="{_path(points)}" class="{look}"/>'


def area(
    upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], *, look: str
) -> str:
    """Return the area between two lines."""
    return f'<path d="{_path([*upper, *reversed(lower)])}Z" class="{look}"/>'


def frame(x: Scale, y: Scale, *, x_count: int, x_unit: str, y_unit: str) -> list[str]:
    """Return grid and labels of a plot; the units stand at the ends of the axes."""
    parts = []
    for value in y.ticks(4):
        parts.append(line(x.start, y(value), x.end, y(value), look="grid"))
        parts.append(text(x.start - 6, y(value) + 4, f"{value:g}", look="tick", anchor="end"))
    for value in x.ticks(x_count):
        parts.append(text(x(value), y.start + 16, f"{value:g}", look="tick", anchor="middle"))
    parts.append(text(x.start, y.end - 8, y_unit, look="unit"))
    parts.append(text(x.end, y.start + 32, x_unit, look="unit", anchor="end"))
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
