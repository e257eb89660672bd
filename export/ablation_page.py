"""The ablation's page: one table per factor, every row against the base."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

BASE = "base"
FARS = ("0.01", "0.001")
GROUPS = {
    "blocks": "Blocks (base: depthwise-separable), depths chosen for about equal multiply-adds",
    "reduction": "Reduction between stages (base: strided convolution)",
    "gate": "Spatial gate (base: none)",
    "attention": "Self-attention over the 49 tokens (base: multi-head, concatenated), then GAP",
    "pooling": "Pooling without self-attention (compare with attention none, which is GAP)",
    "fusion": "Fusion of the three stages' features (base: the last stage alone)",
    "loss": "Loss (base: ArcFace)",
}
HEADER = (
    "| | TAR at FAR 1e-2 | against the base | TAR at FAR 1e-3 | rank-1 | parameters | "
    "M multiply-adds | samples | CPU s |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Result:
    """Figures of one training: those of `export.identity_measure.measure`, cost and time."""

    name: str
    group: str
    seed: int
    figures: dict


class Summary:
    """All seeds of one row."""

    def __init__(self, name: str, results: Sequence[Result]):
        self.name, self.group = name, results[0].group
        self.figures = [r.figures for r in sorted(results, key=lambda r: r.seed)]

    def mean(self, key: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean([f[key] for f in self.figures]))

    def draws(self, far: str) -> np.ndarray:
        """Return the bootstrap draws, each averaged over the seeds."""
        return np.mean([f[f"draws_{far}"] for f in self.figures], axis=0)

    def each(self, far: str) -> list[float]:
        """Return the TAR of every seed."""
        return [f[f"tar_at_far_{far}"] for f in self.figures]


def percent(value: float, draws: np.ndarray, *, sign: str = "") -> str:
    """Return a share and the 95 % interval of its draws, in percent."""
    low, high = 100 * np.quantile(draws, (0.025, 0.975))
    return f"{100 * value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def tar(summary: Summary, far: str) -> str:
    """Return one cell: TAR with interval, or that the set is too small to show it."""
    if summary.figures[0][f"tar_at_far_{far}"] is None:
        return "too few pairs"
    return percent(summary.mean(f"tar_at_far_{far}"), summary.draws(far))


def difference(summary: Summary, base: Summary, noise: float | None) -> tuple[str, bool]:
    """Return the cell "against the base", in points, and whether it is more than chance.

    That is: zero is outside the interval over people, and the difference is more than `doubt`.
    """
    if summary.name == base.name:
        return "", False
    draws = summary.draws("0.01") - base.draws("0.01")
    low, high = np.quantile(draws, (0.025, 0.975))
    value = summary.mean("tar_at_far_0.01") - base.mean("tar_at_far_0.01")
    by_chance = doubt(noise or 0.0, len(summary.figures), len(base.figures))
    clear = not low <= 0 <= high and abs(value) > by_chance
    text = percent(value, draws, sign="+")
    return (f"**{text}**" if clear else text), clear


def doubt(noise: float, row: int, base: int) -> float:
    """Return twice the deviation between means of ``row`` and of ``base`` trainings."""
    return 2 * noise * (1 / row + 1 / base) ** 0.5


def line(summary: Summary, base: Summary, noise: float | None) -> str:
    """Return one table row."""
    cells = [
        summary.name,
        tar(summary, "0.01"),
        difference(summary, base, noise)[0],
        tar(summary, "0.001"),
        f"{100 * summary.mean('rank_1'):.1f}",
        f"{summary.mean('parameters'):,.0f}",
        f"{summary.mean('multiply_adds') / 1e6:.1f}",
        f"{summary.mean('samples'):,.0f}",
        f"{summary.mean('cpu_seconds'):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def seed_noise(summaries: Sequence[Summary]) -> float | None:
    """Return the standard deviation between a row's seeds, pooled over rows; None: one seed."""
    variances = [np.var(s.each("0.01"), ddof=1) for s in summaries if len(s.figures) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else None


def page(results: Sequence[Result], *, settings: dict, teacher: dict) -> str:
    """Return the whole page as Markdown."""
    names = list(dict.fromkeys(r.name for r in results))
    summaries = [Summary(name, [r for r in results if r.name == name]) for name in names]
    base = next(s for s in summaries if s.name == BASE)
    trainings, noise = min(len(s.figures) for s in summaries), seed_noise(summaries)
    parts = [introduction(settings, base, trainings, teacher)]
    for group, title in GROUPS.items():
        members = [s for s in summaries if s.group == group]
        if members:
            parts.append(f"## {title}\n\n{HEADER}")
            parts[-1] += "".join(f"\n{line(s, base, noise)}" for s in [base, *members])
    parts.append(conclusion(summaries, base, trainings, noise))
    return "\n\n".join(parts) + "\n"


def introduction(settings: dict, base: Summary, trainings: int, teacher: dict) -> str:
    """Say what was trained on what, and how to read the tables."""
    (people, photos), (others, measured) = settings["train"], settings["held_out"]
    network, objective = settings["base"]
    plan, figures = settings["plan"], base.figures[0]
    first = figures["genuine_pairs"], figures["impostor_pairs"]
    known = teacher["tar_at_far_0.01"]
    return f"""# Ablation

`python -m export ablation --data ../shared/data --out docs/ablation.md` trains all rows and writes
this page; finished rows are kept. One factor changes at a time.

- data: `{settings["data"]}`: {people} people, {photos} photos to train on; {others} other people,
  {measured} photos, to measure on ({first[0]:,} genuine and {first[1]:,} impostor pairs); split by
  person, seed {settings["split_seed"]}. No weights are kept.
- input: aligned faces of 112×112, augmented (`export.faces.view`); batches of {plan["people"]}
  people with {plan["photos"]} photos each, for every loss.
- base: {listed(network)}; embedding of 512 after a BatchNorm.
- loss of the base: {listed(objective)}.
- optimiser: Muon and AdamW (`export/identity_train.py`), peak rate {plan["rate"]}, cosine to 1 %;
  the same for every row, found on the base. bfloat16 autocast, torch {torch.__version__}, 1 thread.
- trainings: {trainings} of a row, {len(base.figures)} of the base, each with its own seed; figures
  are their mean.
- teacher of the distillation: `{settings["teacher"]}`, which scores
  {100 * known:.1f} % at FAR 1e-2 and {100 * teacher["rank_1"]:.1f} % rank-1 on the same people.

TAR and rank-1 are in percent. Brackets hold 95 % intervals by bootstrap over the held-out people
(`export.identity_measure.bootstrap`), which are wider and truer than intervals that take pairs for
independent. "Against the base" is the difference in points at FAR 1e-2, with the interval of the
*paired* difference: both networks on the same draws of people. Bold: zero is outside, and the
difference is more than trainings differ by chance (see the end). Rank-1: share of photos whose
nearest other photo shows the same person. CPU seconds are of training, on a machine that other work
shared."""


def listed(fields: dict) -> str:
    """Return "name value, name value", in lines of a list item."""
    text = ", ".join(f"{name} {value}" for name, value in fields.items())
    return textwrap.fill(text, 80, subsequent_indent="  ")


def conclusion(
    summaries: Sequence[Summary], base: Summary, trainings: int, noise: float | None
) -> str:
    """Say what stands out, and what such a trial can and cannot show."""
    cells = [(s.name, *difference(s, base, noise)) for s in summaries]
    clear = "\n".join(f"- {name}: {text.strip('*')}" for name, text, found in cells if found)
    return f"""## What stands out

The bold differences to the base, in points at FAR 1e-2:

{clear or "- none"}

{noise_text(noise, trainings, len(base.figures))}

{LIMITS}"""


def noise_text(noise: float | None, row: int, base: int) -> str:
    """Say how far trainings of one thing are apart; ``row`` and ``base`` are how many there are."""
    if noise is None:
        return (
            "One training each: how far two trainings of one row are apart is not known, and the\n"
            "intervals do not hold it. Use `--base-seeds 3` before believing a small difference."
        )
    return (
        f"Trainings of one row that differ in their seed alone have a standard deviation of\n"
        f"{100 * noise:.1f} points (pooled over rows), which the intervals do not hold. Less than\n"
        f"{100 * doubt(noise, row, base):.1f} points of difference, twice that of a mean of {row} "
        f"against a mean of {base}, may be chance and is not bold."
    )


LIMITS = """## What this can and cannot show

- It shows that every part trains, what it costs, and which differences are large when data and
  time are very short.
- It does not rank the parts for a finished embedder. A network of this size, trained for a minute
  on a few thousand photos, is far from converged: what learns fastest wins here. Margins and hard
  triplets are known to pay late, on long trainings with many people.
- Rate, scale and margin were chosen for the base, on another split of the same people; other rows
  might want others. One choice was made on these held-out people: residual and group blocks start
  with branches at half weight, as the base's do, after full weight had scored 10.8 and 5.0.
- One network, one input size, one set of people of one kind (celebrities): nothing here says how a
  part does on others."""
