"""What an INT8 network keeps in float, and how finely the rest is rounded: named, not guessed.

| preset | weights | activations | in float besides the islands | for |
|---|---|---|---|---|
| integer | 8 bits | uint8 | nothing | ONNX Runtime: the same numbers on every CPU |
| mixed | 7 bits | uint8 | the first segment of a DSA-Net | networks not trained for INT8 |
| symmetric | 8 bits | int8 around zero | nothing | what the T527's per-channel INT8 does |

Islands are operators that runtimes compute in float anyway, or that 8 bits break: normalisation,
GELU (its cube spans thousands where its result spans tens), division, roots and products of
activations. Why 7 bits: docs/decisions/0002; why a float segment: docs/decisions/0006 and 0012; why
neither by default: docs/decisions/0025.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ISLANDS = (
    "Div",
    "Erf",
    "Exp",
    "InstanceNormalization",
    "LayerNormalization",
    "LpNormalization",
    "Mul",
    "PRelu",
    "Pow",
    "Reciprocal",
    "ReduceL2",
    "ReduceMean",
    "Sigmoid",
    "Sqrt",
    "Sub",
    "Tanh",
)
"""Operators that stay in float, and sums that one of them feeds."""


@dataclass(frozen=True)
class Preset:
    """How a graph is quantised.

    Attributes
    ----------
    weight_bits : 8, or 7 where a runtime on x86 without VNNI adds in 16 bits: they saturate at 8.
    activations : "uint8" (zero point anywhere) or "int8".
    symmetric : activations' zero point is 0 (needs "int8").
    percentile : share of the calibration values that a range holds, per cent; each side loses half
        of the rest.
    float_operators : operators that stay in float, and sums that one of them feeds.
    float_nodes : beginnings of names of nodes that stay in float, where a graph has such nodes.
    """

    weight_bits: int = 8
    activations: str = "uint8"
    symmetric: bool = False
    percentile: float = 99.99
    float_operators: tuple[str, ...] = field(default=ISLANDS)
    float_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.weight_bits not in (7, 8):
            raise ValueError(f"weight_bits is {self.weight_bits}, expected 7 or 8")
        if self.activations not in ("uint8", "int8"):
            raise ValueError(f"activations are {self.activations!r}, expected uint8 or int8")
        if self.symmetric and self.activations != "int8":
            raise ValueError("symmetric activations need int8: uint8 has no sign")
        if not 50 < self.percentile <= 100:
            raise ValueError(f"percentile is {self.percentile}, expected over 50, up to 100")


USUAL = "integer"
"""What is taken when nothing is asked for."""

PRESETS = {
    "integer": Preset(),
    "mixed": Preset(weight_bits=7, float_nodes=("/backbone/segments.0/",)),
    "symmetric": Preset(activations="int8", symmetric=True),
}


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    ValueError
        No such preset; names those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"preset {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
