"""The MODEL_CARD.md of a bundle, written from its manifest: no number stands here twice."""

from __future__ import annotations

import json

TEMPLATE = """\
# Model card: {name} {version} ({precision})

{about}

## What it is for
Comparing a face in front of a camera with enrolled faces (1:1 and 1:N), together with liveness
detection and a person who can be called. Faces upright within about 40 degrees, 20 pixels wide or
more, eyes visible.

## What it must not be used for
- As the only proof of who somebody is where a mistake does harm: law enforcement, borders,
  payments, surveillance of public places.
- Without liveness detection: {without_liveness}
- Guessing age, gender, origin or feelings: it was not made for that.
- Claims on data sets it was not measured on. LFW results are no proof of fitness for commercial
  use, as the LFW site itself says.

## Files
{files}

## How the embedder runs
{variants}

## Thresholds
From {source}. Best person must lead the next by {margin}.

| false accept rate | cosine |
|---|---|
{thresholds}

## Liveness
{liveness}

## What was measured
{accuracy}

## How near each file is to the float network
Gates that every file had to pass; thresholds and templates are the same for all.

| file | figure | measured | limit |
|---|---|---|---|
{gates}

## Data
{data}

## Teachers
{teachers}

The weights themselves are {weights}. The teachers' own training data is for research: whether
that restricts a student that never saw it is an open legal question; ask before you sell.

## Known limits
- FairFace labels show nearly all different people, so the embedder never saw two photos of one
  person in training; it imitates a teacher that did.
- Accuracy per age, gender and group was not measured for this version.
- Masks, strong side light, profiles and infrared pictures were not trained for.

## Tools
{tools}
"""


ABOUT = """\
A face detector and a face embedder (DSA-Net: depthwise-separable convolutions, multi-head
attention, 512 numbers per face) for door access on embedded boards, trained by the edgeface
project with the scripts in its `export/` folder."""
"""What the shipped bundle is; a recipe for other networks has an "about" of its own."""


def render(manifest: dict, files: dict, *, about: str = ABOUT) -> str:
    """Return the card of a manifest whose members are ``files`` (name to bytes)."""
    thresholds, licences = manifest["thresholds"], manifest["licences"]
    return TEMPLATE.format(
        about=about,
        name=manifest["name"],
        version=manifest["version"],
        precision=manifest["stages"]["embedder"]["precision"],
        files="\n".join(f"- `{name}`: {len(data):,} bytes" for name, data in sorted(files.items())),
        variants=_variants(manifest["stages"]["embedder"]),
        source=thresholds["source"],
        margin=thresholds["margin"],
        thresholds="\n".join(f"| {r['far']:g} | {r['cosine']:.3f} |" for r in thresholds["by_far"]),
        accuracy=_figures(manifest["accuracy"]),
        without_liveness=_without_liveness(manifest["stages"]),
        liveness=_liveness(manifest["stages"]),
        gates="\n".join(
            f"| {r['artefact']} | {r['name']} | {r['measured']:.4g} | {r['limit']:g} |"
            for r in manifest.get("gates", ())
        ),
        data=_sources(licences["data"]),
        teachers=_sources(licences["teachers"]),
        weights=licences["weights"],
        tools=", ".join(f"{name} {number}" for name, number in manifest["tools"].items()),
    )


LIVENESS = """\
`{file}` ({precision}) gives a score of 0 (paper, glass) to 1 (a person) from one RGB frame. At the
threshold {threshold} it refuses {bpcer:.0%} of the live faces that it was chosen on ({source}).

**It was never measured on a public attack set, nor on a real presentation attack beyond two
photos.** All attacks that it was trained and measured on are simulated: prints, screens and
cut-outs computed from photos, in part from the same simulator. How many real attacks it stops is
unknown. One RGB frame is weak evidence whatever the network: a good print or a good screen, well
lit and filling the frame, looks like a person. Masks and heads of silicone or resin were not even
simulated. A door must ask for more: several frames, a challenge, a second sensor, a person."""


def _liveness(stages: dict) -> str:
    stage = stages.get("liveness")
    return LIVENESS.format(**stage) if stage else "This bundle has no liveness network."


def _without_liveness(stages: dict) -> str:
    if "liveness" not in stages:
        return "this bundle cannot tell a face from a photo of it."
    return "the embedder cannot tell a face from a photo, and this bundle's own is not enough."


def _variants(stage: dict) -> str:
    lines = [f"- whole: `{stage['file']}` from pixels to embedding."]
    if "split" in stage:
        split, head = stage["split"], stage["split"]["head"]
        lines.append(
            f"- split: `{split['file']}` ({split['precision']}) from pixels to a feature map, then "
            f"attention, pooling and projection in edgeface's native code with the "
            f"{head['precision']} weights of `{head['file']}`. The same network, and templates of "
            "both compare; its rounding is not the same, see the figures below."
        )
    lines += [
        f"- {entry['format']}, {entry['variant']}: `{entry['file']}` ({entry['precision']}) on "
        f"{', '.join(entry['boards'])}."
        for entry in stage.get("artefacts", ())
    ]
    lines.append(f"\nUnless asked otherwise: {stage.get('default_variant', 'whole')}.")
    return "\n".join(lines)


def _sources(sources: list) -> str:
    return "\n".join(f"- {s['name']}, {s['licence']}: {s['use']}" for s in sources)


def _figures(accuracy: dict) -> str:
    return f"```json\n{json.dumps(accuracy, indent=2, ensure_ascii=False)}\n```"
