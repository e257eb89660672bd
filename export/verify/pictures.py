"""The report's pictures, as SVG text that stands inside the page. No photo of a person."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from export.verify.measure import BINS, CURVE

GENUINE, IMPOSTOR, FLOAT, INK = "#0f766e", "#c2410c", "#1f2937", "#374151"
LINES = ("#0f766e", "#c2410c", "#4338ca", "#b45309", "#be185d", "#0369a1", "#4d7c0f", "#6b21a8")
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeface",
}


def histogram(curves: Mapping, *, threshold: float | None) -> str:
    """Draw an artefact's genuine and impostor scores, filled, and the float network's as lines."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(4.4, 2.3)
        centres = (BINS[:-1] + BINS[1:]) / 2
        for own, colour in (("impostor", IMPOSTOR), ("genuine", GENUINE)):
            if curves[own] is None:
                continue
            axes.fill_between(centres, curves[own], color=colour, alpha=0.35, lw=0, label=own)
            axes.plot(centres, curves[f"float_{own}"], color=FLOAT, lw=0.9)
        axes.plot([], [], color=FLOAT, lw=0.9, label="float")
        if threshold is not None:
            axes.axvline(threshold, color="#6b7280", lw=0.9, ls=(0, (4, 2)))
            top = axes.get_ylim()[1]
            axes.text(threshold + 0.01, top * 0.92, "FAR 0.001", color="#6b7280", fontsize=7.5)
        axes.set(xlim=(-0.4, 1), xlabel="cosine", yticks=[])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
        return _svg(figure, "Histogram of genuine and impostor cosines, artefact and float")


def roc(named: Mapping[str, Sequence[float]], *, float_tar: Sequence[float], least: float) -> str:
    """Draw TAR over FAR of every artefact, and the float network's in black, from FAR ``least``."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(7.2, 3.6)
        axes.plot(CURVE, float_tar, color=FLOAT, lw=1.8, label="float", zorder=3)
        for (name, tar), colour in zip(named.items(), LINES * 4):
            axes.plot(CURVE, tar, color=colour, lw=1.2, label=name, alpha=0.9)
        axes.set(xscale="log", xlim=(max(least, CURVE[0]), 1), ylim=(0, 1.01))
        axes.set(xlabel="false accept rate", ylabel="true accept rate")
        axes.grid(color="#e5e7eb", lw=0.6)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
        return _svg(figure, "ROC curves of all artefacts and of the float network")


def groups(named: Mapping[str, Sequence[Mapping]], *, attribute: str) -> str:
    """Draw each group's mean cosine to float: a row per group, a dot per artefact."""
    with matplotlib.rc_context(STYLE):
        rows = {name: [d for d in drift if d["attribute"] == attribute]
                for name, drift in named.items()}  # fmt: skip
        labels = [
            f"{d['group'].replace('_', ' / ')} ({d['count']})" for d in next(iter(rows.values()))
        ]
        figure, axes = _canvas(4.4, 0.7 + 0.27 * len(labels))
        for drift, colour in zip(rows.values(), LINES * 4):
            places = range(len(drift))
            axes.plot([d["agreement"] for d in drift], places, "o", color=colour, ms=4.5)
        axes.set_yticks(range(len(labels)), labels)
        axes.grid(axis="x", color="#e5e7eb", lw=0.6)
        axes.set_xlabel("mean cosine to float")
        axes.invert_yaxis()
        return _svg(figure, f"Mean cosine to float by {attribute}")


def bars(named: Mapping[str, float], *, label: str, logarithmic: bool = False) -> str:
    """Draw one horizontal bar per name, in the order given."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(7.2, 0.7 + 0.21 * len(named))
        axes.barh(range(len(named)), list(named.values()), color=LINES[2], height=0.7)
        axes.set_yticks(range(len(named)), list(named), fontsize=7.5)
        axes.set_xscale("log" if logarithmic else "linear")
        axes.set_xlabel(label)
        axes.invert_yaxis()
        axes.grid(axis="x", color="#e5e7eb", lw=0.6)
        axes.set_axisbelow(True)
        return _svg(figure, label)


def ratios(rows: Sequence[Mapping]) -> str:
    """Draw INT8 over float time of each runtime and number of threads, with its interval."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(7.2, 0.8 + 0.27 * len(rows))
        for place, row in enumerate(rows):
            colour = GENUINE if row["high"] < 1 else IMPOSTOR if row["low"] > 1 else INK
            axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=2.5)
            axes.plot(row["value"], place, "o", color=colour, ms=5)
        axes.axvline(1, color="#6b7280", lw=0.9, ls=(0, (4, 2)))
        axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
        axes.set_xlabel("time of INT8 over float (below 1: INT8 is faster)")
        axes.set_xlim(0, min(2, axes.get_xlim()[1]))  # a busy machine's interval may be endless
        axes.invert_yaxis()
        axes.grid(axis="x", color="#e5e7eb", lw=0.6)
        return _svg(figure, "INT8 latency over float latency")


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """Return the drawing without XML head, scaling to its column, named for screen readers."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    start, rest = text.split(">", 1)
    box = start[start.index('viewBox="') :].split('"')[1]
    head = f'<svg viewBox="{box}" role="img" xmlns="http://www.w3.org/2000/svg" '
    head += f'xmlns:xlink="http://www.w3.org/1999/xlink"><title>{title}</title>'
    return head + rest


def thinned(named: Mapping[str, float], most: int) -> dict[str, float]:
    """Return the ``most`` largest values, largest first."""
    order = sorted(named, key=lambda name: -np.abs(named[name]))[:most]
    return {name: named[name] for name in order}
