"""Is the float network fed as it was trained? Two checks of a source, before anything is converted.

An artefact can only be compared with the float network as the source feeds it: if the source states
its preprocessing wrongly, both are wrong alike and their cosine is 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export import faces
from export.preprocessing import Preprocessing
from export.source import INPUT, Source
from export.verify.embed import Apply, embed_float, float_session, unit_rows
from export.verify.limits import LEAST_PEOPLE
from export.verify.measure import pair_scores
from export.verify.sets import FaceSet, sample

PROBE_PHOTOS = 1200
PARITY_PHOTOS = 32


def source_figures(source: Source, sets: dict[str, FaceSet], *, cache: Path, seed: int) -> dict:
    """Return gate name → figure for `export.verify.gates.judge_source`; what the sets can show."""
    found = {}
    some = next(iter(sets.values())).crops[:PARITY_PHOTOS]
    if source.net is not None:
        found["ONNX to PyTorch cosine min"] = trained_parity(source, some)
    people = sets.get("people") or sets.get("folder")
    if people is not None and len(np.unique(people.people)) >= LEAST_PEOPLE:
        probe = sample(people, PROBE_PHOTOS, seed=seed)
        found["preprocessing lead"] = preprocessing_lead(source, probe, cache=cache / "probe")
    return found


def trained_parity(source: Source, crops: np.ndarray) -> float:
    """Return the least cosine between the ONNX file, as it is fed, and the PyTorch network as it
    was trained: on `export.faces.normalised` crops."""
    import torch

    with torch.inference_mode():
        trained = source.net.eval()(torch.from_numpy(faces.normalised(crops))).numpy()
    fed = float_session(source.onnx).run(None, {INPUT: source.preprocessing.apply(crops)})[0]
    return float((unit_rows(trained) * unit_rows(fed)).sum(axis=1).min())


def preprocessing_lead(source: Source, people: FaceSet, *, cache: Path) -> float:
    """Return how much better the stated preprocessing tells people apart than the wrong ones do.

    The difference of decidabilities (`decidability`) to the better of `wrong_inputs`.
    """
    own = embed_float(source, people, cache=cache)
    others = [
        embed_float(source, people, cache=cache / name, apply=apply)
        for name, apply in wrong_inputs(source.preprocessing).items()
    ]
    return decidability(own, people) - max(decidability(other, people) for other in others)


def wrong_inputs(stated: Preprocessing) -> dict[str, Apply]:
    """Return the usual mistakes: colours swapped, and normalised twice."""
    mean, std = (np.float32(v).reshape(1, 3, 1, 1) for v in (stated.mean, stated.std))
    return {
        "swapped": lambda crops: stated.apply(crops[..., ::-1]),
        "twice": lambda crops: (stated.apply(crops) - mean) / std,
    }


def decidability(embeddings: np.ndarray, people: FaceSet) -> float:
    """Return (genuine mean - impostor mean) / root of the mean variance (Daugman 2000)."""
    good = np.isfinite(embeddings).all(axis=1)
    scores = pair_scores(embeddings, embeddings, people, good=good)
    genuine, impostor = scores.found[scores.genuine], scores.found[~scores.genuine]
    spread = np.sqrt((genuine.var() + impostor.var()) / 2)
    return float((genuine.mean() - impostor.mean()) / spread)
