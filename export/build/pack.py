"""Put what passed its gates into one bundle: networks, thresholds, self-test, model card.

The ONNX file, whole, is the bundle's model; all other artefacts are the same model for other
runtimes (docs/decisions/0010). The detector comes from another bundle (the one shipped with
edgeface unless told otherwise) or from a folder of ``quantise detector``.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from edgeface.bundle import write_bundle
from export import card, threshold
from export.artefact import file_hash
from export.build import members
from export.build.verify import NO_SETS, add_sets, evaluation_sets
from export.build.work import Work
from export.errors import ExportError, VerifyError
from export.importers import KINDS
from export.keygen import add_passphrase_argument
from export.signing import read_passphrase, sign_bundle
from export.verify import gates
from export.verify.embed import Candidate, embed

RECIPE = Path(__file__).parents[1] / "recipes" / "bundle.json"
GATE_FIELDS = ("artefact", "name", "measured", "limit")
TOOLS = ("torch", "onnx", "onnxruntime", "numpy")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what this step needs to know."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.efb")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="PATH",
        help="bundle, or folder of 'quantise detector' [edgeface's own bundle]",
    )
    add_sets(parser)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="names, licences, limits: JSON")
    parser.add_argument("--measured", type=Path, help="JSON object for the manifest and the card")
    parser.add_argument("--nbg", type=Path, metavar="FILE.nb", help="what ACUITY made of the kit")
    parser.add_argument("--key", type=Path, metavar="KEY.pem", help="sign with it (export keygen)")
    add_passphrase_argument(parser)
    parser.add_argument(
        "--leave-out-failed",
        action="store_true",
        help="pack without the artefacts that fail a gate, in place of refusing",
    )


def make(work: Work, args: argparse.Namespace) -> None:
    """Write the bundle.

    Raises
    ------
    VerifyError
        An artefact failed a gate, or was never verified.
    """
    recipe = json.loads(args.recipe.read_text())
    if work.reference().net is None:
        require_about(args.recipe, recipe)
    measured = json.loads(args.measured.read_text()) if args.measured else {}
    artefacts, rows = chosen(work, args)
    stages, files = members.embedder(work, artefacts)
    if "split" in stages["embedder"]:
        stages["embedder"]["default_variant"] = recipe.get("default_variant", "whole")
    stages["detector"] = members.detector(args.detector, files)
    thresholds, rates = chosen_thresholds(work, args, margin=recipe["margin"])
    manifest = {
        **recipe["manifest"],
        "stages": stages,
        "thresholds": thresholds,
        "accuracy": {**rates, **measured.get("accuracy", {})},
        "gates": [{key: row[key] for key in GATE_FIELDS} for row in rows],
        "peak_memory_mb": measured.get("peak_memory_mb", 0),
        "tools": {name: version(name) for name in TOOLS},
    }
    if args.nbg:
        members.add_nbg(stages, files, work, artefacts, args.nbg)
    about = recipe.get("about", card.ABOUT)
    files["MODEL_CARD.md"] = card.render(manifest, files, about=about).encode()
    bundle = write_bundle(args.out, manifest, files)
    if args.key:
        sign_bundle(args.out, key=args.key, passphrase=read_passphrase(args.passphrase_file))
    print(f"{args.out}: {args.out.stat().st_size:,} bytes, model {bundle.model_id}")
    for name, data in sorted(files.items()):
        print(f"  {name}: {len(data):,} bytes")


def require_inputs(args: argparse.Namespace) -> None:
    """Refuse early what ``pack`` would refuse after an hour of building.

    Raises
    ------
    ExportError
        A file that an option names is not there, there is nothing to measure on, or a network of
        others comes with our recipe.
    """
    files = (args.recipe, args.measured, args.nbg, args.key, args.detector, args.data, args.people)
    for path in files:
        if path is not None and not path.exists():
            raise ExportError(f"{path}: not there")
    if not (args.data or args.people):
        raise ExportError(NO_SETS)
    if args.model in KINDS:
        require_about(args.recipe, json.loads(args.recipe.read_text()))


def require_about(path: Path, recipe: dict) -> None:
    """Refuse to state our data, teachers and licence as those of a network of others.

    Raises
    ------
    ExportError
        A recipe for an imported network that does not say what it is ("about").
    """
    if "about" not in recipe:
        raise ExportError(
            f"--recipe {path} describes edgeface's own networks; copy it, state this network's "
            'name, licences, data and teachers, and what it is in "about", and give that file'
        )


def chosen(work: Work, args: argparse.Namespace) -> tuple[dict, list[dict]]:
    """Return the artefacts to pack, by title, and the rows of their gates.

    Raises
    ------
    VerifyError
        One failed and may not be left out, as the bundle's model never may, or was not measured.
    """
    path = work / "verify" / "figures.json"
    if not path.exists():
        raise VerifyError(
            f"{path} is not there: run 'python -m export verify --work {work.folder}' first; what "
            "was never measured is not packed"
        )
    artefacts = members.packable(work, with_nbg=args.nbg is not None)
    model = members.primary_title(artefacts)
    require_measured(path, artefacts)
    rows = [
        row for row in json.loads(path.read_text())["gates"]
        if title_of(row) in (gates.FLOAT, *artefacts)
    ]  # fmt: skip
    if args.leave_out_failed:
        failed = {title_of(row) for row in rows if not row["passed"]} - {gates.FLOAT, model}
        artefacts = {t: a for t, a in artefacts.items() if t not in failed}
        rows = [row for row in rows if title_of(row) not in failed]
    gates.refuse(rows, artefacts=list(artefacts))
    return artefacts, rows


def require_measured(path: Path, artefacts: dict) -> None:
    """Refuse files that are not the ones that were measured.

    Raises
    ------
    VerifyError
        A file was made again, or changed, since ``verify``.
    """
    measured = json.loads(path.read_text())["sha256"]
    for title, (artefact, folder) in artefacts.items():
        if measured.get(title) != file_hash(folder / artefact.file):
            raise VerifyError(
                f"{title}: {folder / artefact.file} is not the file that was measured: run "
                "'python -m export verify' again"
            )


def title_of(row: dict) -> str:
    """Return the title of the artefact that a gate's row judged: its head is named after it."""
    return row["artefact"].partition(",")[0]


def chosen_thresholds(work: Work, args: argparse.Namespace, *, margin: float) -> tuple[dict, dict]:
    """Return the manifest's thresholds, and accept rates, of the bundle's model on labelled people.

    Raises
    ------
    ExportError
        Neither CelebA in ``--data`` nor ``--people`` is there.
    """
    sets = evaluation_sets(args)
    people = sets.get("folder", sets.get("people"))
    if people is None:
        raise ExportError(
            "thresholds need photos of labelled people: give --people FOLDER (person/photo.jpg, "
            "aligned), or --data with celeba240"
        )
    found = members.packable(work, with_nbg=False)
    model = Candidate(*found[members.primary_title(found)])
    rows = embed(model, people, source=work.reference(), cache=work / "verify")
    thresholds = threshold.choose(rows, people.people, source=people.source, margin=margin)
    return thresholds, {people.name: threshold.accept_rates(rows, people.people)}
