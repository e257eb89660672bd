#!/usr/bin/env python3
"""What convert.sh needs besides pegasus. Runs in ACUITY's container: Python 3.8 with NumPy.

kit.py unpack                 calibration.npy to calibration/*.tensor and dataset.txt
kit.py inputmeta MODEL.json   inputmeta.yml with this import's name of the input
kit.py compare FOLDER LIMIT   dumped output against expected.npy; fails below a cosine of LIMIT
"""

import glob
import json
import os
import sys

import numpy as np


def unpack():
    """Write each face as text, one number a line: what every ACUITY 6 reads from a TEXT list."""
    os.makedirs("calibration", exist_ok=True)
    names = []
    for index, face in enumerate(np.load("calibration.npy")):
        names.append(f"calibration/{index:04d}.tensor")
        np.savetxt(names[-1], face.reshape(-1), fmt="%g")
    with open("dataset.txt", "w") as file:
        file.write("\n".join(names) + "\n")
    print(len(names), "calibration faces")


def inputmeta(model):
    """Write model_inputmeta.yml: ACUITY appends a number to the input's name when it imports."""
    with open(model) as file:
        layers = json.load(file)["Layers"]
    inputs = [key for key, layer in layers.items() if layer.get("op") == "input"]
    if len(inputs) != 1:
        sys.exit(f"{model}: inputs {inputs}, expected one")
    with open("inputmeta.yml") as file:
        text = file.read()
    with open("model_inputmeta.yml", "w") as file:
        file.write(text.replace("@INPUT@", inputs[0]))
    print("input", inputs[0])


def compare(folder, limit):
    """Compare the output of the first calibration face, in either layout, with the float one."""
    expected = np.load("expected.npy")
    wanted = [expected.reshape(-1)]
    if expected.ndim == 4:
        wanted.append(expected.transpose(0, 2, 3, 1).reshape(-1))
    best = None
    for path in sorted(glob.glob(os.path.join(folder, "iter_0_*.tensor"))):
        if path.endswith(".qnt.tensor"):
            continue
        found = np.loadtxt(path).reshape(-1)
        if found.size == expected.size:
            cosines = [float(w @ found / np.linalg.norm(w) / np.linalg.norm(found)) for w in wanted]
            best = max(cosines + ([] if best is None else [best]))
    if best is None:
        sys.exit(f"{folder}: no dumped tensor of {expected.size} numbers")
    text = f"{folder}: cosine to the float network {best:.4f}"
    print(text)
    if not best >= float(limit):
        sys.exit(f"{text}, expected {limit} or more: see README.md")


if __name__ == "__main__":
    COMMANDS = {"unpack": unpack, "inputmeta": inputmeta, "compare": compare}
    COMMANDS[sys.argv[1]](*sys.argv[2:])
