"""Runs rknn-toolkit2 inside its own environment, as a process that may die: no import of export.

``python worker.py JOB.json EVENTS_FD``, in the folder that the job's files are in. Everything that
the toolkit says goes to stdout and stderr. One JSON object a line goes to the file descriptor:
``{"step": name}``, ``{"done": images}``, and at the end ``{"result": ...}`` or ``{"error": text}``.

The job
-------
onnx, rknn : names of the float (or QDQ) model, batch 1, and of the file to write.
platform : "rk3576".
mean, std : three numbers each; folded in, so that the input becomes uint8 NHWC.
precision : "int8", "hybrid", "float16" or "qdq".
algorithm : "normal", "mmse" or "kl_divergence".
calibration : .npy of uint8 (N, H, W, 3), or null.
proposal_images : how many of them decide which layers of a hybrid go to float16.
inputs, outputs : .npy of uint8 (N, H, W, 3) to simulate and of what came out, or null.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from pathlib import Path


class Refused(Exception):
    """A call of the toolkit returned something other than 0."""


def main() -> int:
    """Do one job; returns the exit code."""
    faulthandler.enable()
    job = json.loads(Path(sys.argv[1]).read_text())
    with os.fdopen(int(sys.argv[2]), "w", buffering=1) as events:

        def tell(**event) -> None:
            events.write(json.dumps(event) + "\n")

        try:
            tell(result=work(job, tell))
        except Exception as error:  # noqa: BLE001 the toolkit raises anything; our parent reports it
            lines = str(error).strip().splitlines()
            tell(error=f"{type(error).__name__}: {lines[-1].strip() if lines else 'no text'}")
            return 1
    return 0


def work(job: dict, tell) -> dict:
    """Build, export and simulate; returns the toolkit's version and the seconds of each step."""
    from importlib.metadata import version

    seconds = {}

    def step(name: str, call, *args, **kwargs) -> None:
        tell(step=name)
        started = time.monotonic()
        result = call(*args, **kwargs)
        seconds[name] = round(time.monotonic() - started, 2)
        if result not in (0, None):
            raise Refused(f"{name} returned {result}")

    rknn = build(job, step)
    step("export_rknn", rknn.export_rknn, job["rknn"])
    if job["inputs"]:
        step("init_runtime", rknn.init_runtime)
        step("simulate", simulate, rknn, job, tell)
    rknn.release()
    return {"toolkit": version("rknn-toolkit2"), "seconds": seconds}


def build(job: dict, step):
    """Load and build; returns the toolkit's object, which alone can simulate what it built."""
    if job["precision"] == "hybrid":
        return build_hybrid(job, step)
    rknn = loaded(job, step)
    quantise = job["precision"] == "int8"  # the ranges of a QDQ model are its own
    dataset = write_dataset(job["calibration"]) if quantise else None
    step("build", rknn.build, do_quantization=quantise, dataset=dataset)
    return rknn


def build_hybrid(job: dict, step):
    """Let the toolkit propose, once, which layers go to float16; then build with its list."""
    stem = Path(job["onnx"]).stem
    if not Path(f"{stem}.quantization.cfg").exists():
        rknn = loaded(job, step)
        step(
            "hybrid_quantization_step1",
            rknn.hybrid_quantization_step1,
            dataset=write_dataset(job["calibration"]),
            proposal=True,
            proposal_dataset_size=job["proposal_images"],
        )
        rknn.release()
    rknn = configured(job)
    step(
        "hybrid_quantization_step2",
        rknn.hybrid_quantization_step2,
        model_input=f"{stem}.model",
        data_input=f"{stem}.data",
        model_quantization_cfg=f"{stem}.quantization.cfg",
    )
    return rknn


def loaded(job: dict, step):
    """Return the toolkit's object with the model read."""
    rknn = configured(job)
    step("load_onnx", rknn.load_onnx, model=job["onnx"])
    return rknn


def configured(job: dict):
    """Return the toolkit's object; verbose, because only then it prints the layer table."""
    from rknn.api import RKNN

    rknn = RKNN(verbose=True)
    rknn.config(
        mean_values=[job["mean"]],
        std_values=[job["std"]],
        quantized_dtype="w8a8",
        quantized_method="channel",
        quantized_algorithm=job["algorithm"],
        target_platform=job["platform"],
    )
    return rknn


def write_dataset(calibration: str) -> str:
    """Write one (1, 3, H, W) uint8 file per image and the list of them; returns the list's name."""
    import numpy as np

    folder = Path("calibration")
    folder.mkdir(exist_ok=True)
    names = []
    for index, image in enumerate(np.load(calibration)):
        names.append(str(folder / f"{index:04}.npy"))
        np.save(names[-1], image.transpose(2, 0, 1)[None])
    Path("dataset.txt").write_text("\n".join(names) + "\n")
    return "dataset.txt"


def simulate(rknn, job: dict, tell) -> None:
    """Run every input through the toolkit's simulator of the NPU."""
    import numpy as np

    outputs = []
    for index, image in enumerate(np.load(job["inputs"])):
        found = rknn.inference(inputs=[image[None]], data_format=["nhwc"])
        if not found:
            raise Refused(f"inference of image {index} returned {found}")
        outputs.append(found[0])
        tell(done=index + 1)
    np.save(job["outputs"], np.concatenate(outputs))


if __name__ == "__main__":
    sys.exit(main())
