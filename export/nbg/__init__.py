"""T527: `convert` writes a kit for ACUITY, `run` simulates it, `accept` takes what ACUITY made."""

from export.nbg.accept import accept
from export.nbg.kit import convert
from export.nbg.simulate import run

__all__ = ["accept", "convert", "run"]
