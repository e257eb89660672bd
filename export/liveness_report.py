"""Measure a liveness network as doors run it, and write docs/liveness.md."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from export import liveness_measure as measure
from export import liveness_sets as sets
from export.liveness_attacks import TRAINED, UNSEEN
from export.liveness_camera import CONDITIONS
from export.liveness_data import stacked
from export.liveness_quantise import opened, scored
from export.liveness_report_page import render, summary
from export.liveness_teacher import Pair
from export.liveness_train import load_network, normalise
from export.liveness_trials import CELEBA, LFW, LFW_BARRED, LIVE, chosen, trials
from export.nets.liveness import BRANCHES, multiply_adds

SMOKE = ("image_T1.jpg", "image_F1.jpg", "image_F2.jpg")
MODELS = ("int8", "float", "minivision")
ITS_OWN = 0.5  # minivision's pair takes the likeliest of its classes
RUNS = 60
KINDS = (*TRAINED, *UNSEEN)
SOURCES = ("FairFace", CELEBA)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export liveness-report``."""
    parser.add_argument("--network", type=Path, required=True, help="folder of quantise liveness")
    parser.add_argument("--checkpoint", required=True, help="of the same network")
    parser.add_argument("--data", required=True, help="folder with all data sets and teachers/")
    parser.add_argument("--frames", type=int, default=60, help="per attack and source [60]")
    parser.add_argument(
        "--json", type=Path, help="also write there what belongs into liveness_stage.json"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/liveness.md"))


def run(args: argparse.Namespace) -> int:
    """Score every trial by every model, and write the page."""
    torch.set_num_threads(1)
    stage = json.loads((args.network / "stage.json").read_text())
    models = {
        "int8": opened(stage, args.network / "liveness_int8.onnx"),
        "float": opened(stage, args.network / "liveness_float32.onnx"),
    }
    pair = Pair(f"{args.data}/teachers")
    found = trials(args.data, frames=args.frames)
    frames = [trial.frame for trial in found]
    scores = {name: scored(model, frames) for name, model in models.items()}
    scores["minivision"] = pair.scores(frames)
    figures = {
        "stage": stage,
        "frames": args.frames,
        "thresholds": thresholds(stage, models["float"], pair, args.data),
        "smoke": smoke(models["int8"], pair, args.data),
        "cost": cost(models["int8"], args.checkpoint),
        "branches": branches(args.checkpoint, found),
    }
    figures.update(tables(Rates(found, scores, figures["thresholds"])))
    if args.json:
        args.json.write_text(json.dumps(summary(figures), indent=2) + "\n")
    args.out.write_text(render(figures))
    print(f"{args.out}: {len(found)} trials")
    return 0


def thresholds(stage: dict, float_model, pair: Pair, folder) -> dict[str, float]:
    """Each model's threshold at the stage's BPCER, on the half of CelebA that the stage's is of."""
    live = sets.celeba(folder, half="threshold")
    return {
        "int8": stage["threshold"],
        "float": measure.threshold_at(scored(float_model, live), stage["bpcer"]),
        "minivision": measure.threshold_at(pair.scores(live), stage["bpcer"]),
    }


class Rates:
    """Error rates of any choice of trials, by model.

    Parameters
    ----------
    found, scores : the trials, and each model's score of every one.
    limits : each model's threshold.
    """

    def __init__(self, found: list, scores: dict, limits: dict):
        self._found, self._scores, self._limits = found, scores, limits

    def wrong(self, *, own: bool = False, **wanted) -> dict[str, float]:
        """BPCER of live trials, APCER of others; ``own`` adds minivision's at its own threshold."""
        rows = chosen(self._found, **wanted)
        judge = measure.bpcer if wanted["kind"] == LIVE else measure.apcer
        rates = {m: judge(self._scores[m][rows], self._limits[m]) for m in MODELS}
        if own:
            rates["minivision_own"] = judge(self._scores["minivision"][rows], ITS_OWN)
        return {**rates, "trials": len(rows)}

    def equal(self, **wanted) -> dict[str, float]:
        """The equal error rate over live trials and all attacks."""
        live, attacks = (chosen(self._found, kind=k, **wanted) for k in (LIVE, KINDS))
        return {
            m: measure.equal_error(self._scores[m][live], self._scores[m][attacks]) for m in MODELS
        }

    def summary(self, **wanted) -> dict[str, dict]:
        """BPCER, APCER of trained and unseen attacks, and equal error, of simulated trials."""
        return {
            "bpcer": self.wrong(kind=LIVE, **wanted),
            "trained": self.wrong(kind=TRAINED, **wanted),
            "unseen": self.wrong(kind=UNSEEN, **wanted),
            "equal_error": self.equal(**wanted),
        }

    def between(self, first: str, second: str) -> dict[str, float]:
        """Mean and largest difference of two models' scores."""
        apart = np.abs(self._scores[first] - self._scores[second])
        return {"mean": float(apart.mean()), "largest": float(apart.max())}


def tables(rates: Rates) -> dict:
    """All that the page shows of the trials."""
    every = tuple(CONDITIONS)
    return {
        "live": {
            source: rates.wrong(kind=LIVE, source=source, camera="as is", own=True)
            for source in (CELEBA, LFW, LFW_BARRED)
        },
        "attacks": {
            kind: {
                source: rates.wrong(kind=kind, source=source, camera=every, own=True)
                for source in SOURCES
            }
            for kind in KINDS
        },
        "cameras": {camera: rates.summary(camera=camera) for camera in every},
        "by_attack_and_camera": {
            kind: {camera: rates.wrong(kind=kind, camera=camera)["int8"] for camera in every}
            for kind in KINDS
        },
        "all": rates.summary(camera=every),
        "int8_from_float": rates.between("int8", "float"),
    }


def smoke(model, pair: Pair, folder) -> dict[str, dict[str, float]]:
    """Scores of the one live photo and the two real attacks that there are."""
    frames = {}
    for name in SMOKE:
        frames[name] = sets.found_face(cv2.imread(f"{folder}/liveness/{name}"))
    theirs = pair.scores(list(frames.values()))
    ours = scored(model, list(frames.values()))
    return {
        name: {"int8": float(a), "minivision": float(b)} for name, a, b in zip(frames, ours, theirs)
    }


def cost(model, checkpoint) -> dict[str, float]:
    """Multiply-adds, and milliseconds (median) beside the detector's on the same photo."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    box, points = (200, 120, 200, 240), np.array([[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]]) * 60.0

    def median_ms(action) -> float:
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            action()
            times.append((time.perf_counter() - start) * 1000)
        return float(np.median(times))

    detector = sets.detector()
    return {
        "multiply_adds": multiply_adds(load_network(checkpoint)),
        "liveness_ms": median_ms(lambda: model.score(image, box=box, landmarks=points + 160)),
        "detector_ms": median_ms(lambda: detector.detect(image)),
    }


@torch.no_grad()
def branches(checkpoint, found: list) -> dict:
    """Equal error of the fused logit and of each branch alone (float), and the mean weights."""
    net = load_network(checkpoint)
    some = [trial for trial in found if trial.camera in CONDITIONS][::3]
    samples = stacked([(trial.frame, trial.kind == LIVE, 0) for trial in some])
    parts, weights = [], []
    for start in range(0, len(samples), 64):
        rows = slice(start, start + 64)
        tight, wide = normalise(samples.tight[rows]), normalise(samples.wide[rows])
        parts.append(net.all_logits(tight, wide).numpy())
        weights.append(net.fusion.weights(net.vectors(tight, wide)).flatten(1).numpy())
    logits, mixed, live = np.concatenate(parts), np.concatenate(weights), samples.live > 0.5
    names = ("fused", *BRANCHES)
    return {
        "equal_error": {
            name: measure.equal_error(logits[live, i], logits[~live, i])
            for i, name in enumerate(names)
        },
        "weights_live": dict(zip(BRANCHES, mixed[live].mean(0).tolist())),
        "weights_attack": dict(zip(BRANCHES, mixed[~live].mean(0).tolist())),
    }
