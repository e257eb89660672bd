"""INT8 beside float, by the clock: each artefact against its float twin on a door's own code.

``python -m export latency --work WORK``. Both run in one process and take turns in blocks, one crop
at a time; the ratio is that of medians, its interval comes from the blocks (as ``edgeface bench
--compare`` does it). A ratio of this machine says little about a board; nothing is asserted on it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edgeface.bench.figures import MIN_ROUNDS, orders, ratio
from export.artefact import Artefact
from export.source import INPUT, OUTPUT, Source
from export.to_onnx import FEATURE
from export.verify.door import FORMATS, door_embedder, open_door
from export.verify.embed import RUNNERS, Candidate, installed
from export.verify.size import find_artefacts, float_file
from export.verify.verification import FOLDER

LATENCY = "latency.json"
ROUNDS = 240
WARMUP = 20
FASTEST = 5  # per cent
THREADS = (1, 2)
PICTURES = 8  # synthetic crops in turn: time does not depend on what is on them
RUNTIMES = {"onnx": ("onnxruntime",), "tflite": ("tflite-runtime", "ai-edge-litert")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export latency``."""
    parser.add_argument("--work", type=Path, required=True, help="folder of export build")
    parser.add_argument("--threads", type=int, nargs="+", default=list(THREADS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least {MIN_ROUNDS}")


def run(args: argparse.Namespace) -> int:
    """Measure, write ``WORK/verify/latency.json``, print the ratios; returns the exit code."""
    source = Source.load(args.work / "float")
    rows = latencies(args.work, source=source, threads=args.threads, rounds=args.rounds)
    for row in rows:
        print(
            f"{row['label']}: INT8 over float {row['value']:.2f} "
            f"[{row['low']:.2f}, {row['high']:.2f}], {row['int8_ms']:.2f} and "
            f"{row['float_ms']:.2f} ms; undisturbed {row['undisturbed']:.2f}"
        )
    return 0


def latencies(
    work: Path,
    *,
    source: Source,
    threads: Sequence[int] = THREADS,
    rounds: int = ROUNDS,
) -> list[dict]:
    """Time every INT8 artefact that runs on this machine against its float twin.

    Parameters
    ----------
    work : folder of the build; ``verify/latency.json`` is written there.
    threads : numbers of threads of the inference runtime; the native head takes one.
    rounds : inferences of each, at least `edgeface.bench.figures.MIN_ROUNDS`.

    Returns
    -------
    list of dict
        label, value, low, high (the ratio and its 95 % interval), int8_ms, float_ms (medians),
        undisturbed (the ratio of the 5th percentiles: what a busy machine disturbs least), rounds,
        and target, variant, threads.

    Raises
    ------
    ValueError
        Too few rounds for an interval.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"{rounds} rounds, expected at least {MIN_ROUNDS} for an interval")
    rows = []
    for artefact in find_artefacts(work):
        if artefact.precision != "int8" or artefact.format not in FORMATS:
            continue
        pair = timed_pair(artefact, work=work, source=source)
        for count in threads:
            rows.append(compare(pair, source=source, threads=count, rounds=rounds))
    note = {"note": described(rounds), "rows": rows}
    (work / FOLDER).mkdir(exist_ok=True)
    (work / FOLDER / LATENCY).write_text(json.dumps(note, indent=1) + "\n")
    return rows


def timed_pair(artefact: Artefact, *, work: Path, source: Source) -> tuple[Candidate, Candidate]:
    """Return an INT8 artefact and its float twin, each with its own kind of head."""
    split = artefact.variant == "split"
    own = Candidate(artefact, work / artefact.target, "int8" if split else None)
    twin, folder = float_twin(artefact, work=work, source=source)
    return own, Candidate(twin, folder, "float32" if split else None)


def float_twin(artefact: Artefact, *, work: Path, source: Source) -> tuple[Artefact, Path]:
    """Return the same target's float32 artefact and its folder; converted where there is none."""
    for other in find_artefacts(work, [artefact.target]):
        if (other.variant, other.precision) == (artefact.variant, "float32"):
            return other, work / artefact.target
    if artefact.target == "onnx":
        file = float_file(artefact, work=work, source=source)
        entry = source.preprocessing.manifest(name=INPUT)
        outputs = [FEATURE if artefact.variant == "split" else OUTPUT]
        twin = Artefact("onnx", artefact.variant, "float32", file.name, "onnx", entry, outputs)
        return twin, file.parent
    folder = work / FOLDER / "twins" / artefact.target
    folder.mkdir(parents=True, exist_ok=True)
    target = importlib.import_module(RUNNERS[artefact.target])
    none = np.zeros((0, 112, 112, 3), np.uint8)
    twin = target.convert(
        source, variant=artefact.variant, calibration=none, folder=folder, precision="float32"
    )
    return twin, folder


def compare(
    pair: tuple[Candidate, Candidate], *, source: Source, threads: int, rounds: int
) -> dict:
    """Return the row of one INT8 artefact and its twin at one number of threads."""
    rng = np.random.default_rng(0)
    size = source.preprocessing.size
    crops = rng.integers(0, 256, (PICTURES, size, size, 3), dtype=np.uint8)
    first_leads = orders(rounds)
    times = np.empty((2, rounds))
    label = f"{runtime_name(pair[0])}, {pair[0].artefact.variant}, {threads} thread"
    label += "s" if threads > 1 else ""
    with (
        open_door(pair[0], source=source, threads=threads) as one,
        open_door(pair[1], source=source, threads=threads) as other,
    ):
        embedders = [
            door_embedder(candidate, backend, source=source)
            for candidate, backend in zip(pair, (one, other))
        ]
        for number in range(WARMUP):
            for embedder in embedders:
                embedder.embed(crops[number % PICTURES])
        for number in tqdm(range(rounds), desc=label, mininterval=5):
            crop = crops[number % PICTURES]
            for which in (0, 1) if first_leads[number] else (1, 0):
                start = time.perf_counter()
                embedders[which].embed(crop)
                times[which, number] = time.perf_counter() - start
    found = ratio(*times, first_leads)
    return {
        "label": label,
        "target": pair[0].artefact.target,
        "variant": pair[0].artefact.variant,
        "threads": threads,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "int8_ms": float(np.median(times[0]) * 1e3),
        "float_ms": float(np.median(times[1]) * 1e3),
        "undisturbed": float(np.divide(*np.percentile(times, FASTEST, axis=1))),
        "rounds": rounds,
    }


def runtime_name(candidate: Candidate) -> str:
    """Return the runtime that runs a candidate here, with its version."""
    for package in RUNTIMES[candidate.artefact.format]:
        if number := installed(package):
            return f"{package} {number}"
    return candidate.artefact.format


def described(rounds: int) -> str:
    """Return what the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    cpu = found[1] if found else platform.machine()
    return (
        f"One crop at a time, preprocessing and head included, {rounds} rounds in one process, "
        f"INT8 and float taking turns; {cpu}. Ratio of medians with its 95 % interval from blocks "
        "of rounds; undisturbed: of the 5th percentiles, for a busy machine. Another machine has "
        "other ratios; a board's are measured on the board."
    )
