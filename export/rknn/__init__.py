"""RKNN for RK3576: `convert` builds with Rockchip's toolkit, `run` is its simulator of the NPU."""

from export.rknn.convert import convert
from export.rknn.simulate import run

__all__ = ["convert", "run"]
