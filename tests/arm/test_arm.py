"""The core on 64-bit ARM, emulated: right results, right ISA, no instruction that a core lacks.

QEMU gives each core the instructions and the HWCAP bits of its architecture version, so that
an ARMv8.2 instruction on a Cortex-A72 ends in SIGILL, as on the board. It proves nothing about
time, caches or memory ordering.
"""

from __future__ import annotations

import functools
import itertools

import pytest

from tests.check_build import (
    CheckRun,
    arm_build,
    check,
    emulated_core,
    emulator,
    host_build,
)

# Core of a board -> the ISA to choose there. RK3576 has A72 and A53 (ARMv8.0), T527 has A55.
EXPECTED_ISA = {"cortex-a72": "neon", "cortex-a53": "neon", "cortex-a55": "neondot"}
WITHOUT_DOT_PRODUCT = [core for core, isa in EXPECTED_ISA.items() if isa == "neon"]


@functools.cache
def check_on(core: str, *, isa: str = "") -> CheckRun:
    """The whole check program on the core."""
    return check(arm_build(), isa=isa, prefix=emulator(emulated_core(core)))


@pytest.mark.parametrize("core", EXPECTED_ISA)
def test_every_check_passes_on_the_core(core: str) -> None:
    found = check_on(core)
    assert found.returncode == 0, found.output
    assert found.isas[0] == EXPECTED_ISA[core]


@pytest.mark.parametrize("core", WITHOUT_DOT_PRODUCT)
def test_forcing_the_dot_product_on_a_core_without_it_is_refused(core: str) -> None:
    found = check_on(core, isa="neondot")
    assert found.returncode == 2, found.output
    refusal = "this CPU does not support ISA 'neondot'; it supports: neon, scalar"
    assert f"EDGEFACE_ISA: {refusal}" in found.output


@pytest.mark.parametrize("isa", ["neon", "scalar"])
def test_a_core_with_the_dot_product_can_be_held_to_less(isa: str) -> None:
    prefix = emulator(emulated_core("cortex-a55"))
    found = check(arm_build(), isa=isa, case="*active*", prefix=prefix)
    assert (found.returncode, found.isas[0]) == (0, isa), found.output


def test_integer_kernels_agree_on_every_isa_of_both_architectures() -> None:
    runs = [check(host_build()), *(check_on(core) for core in EXPECTED_ISA)]
    found = by_operation(runs)
    assert {"gemm_i8", "quantise_i8", "scan_i4", "scan_i8"} <= found.keys()
    for operation, digests in found.items():
        if not operation.endswith("_f32"):
            assert len(set(digests)) == 1, f"{operation}: {digests}"


def test_float_kernels_of_one_isa_agree_between_cores() -> None:
    for one, other in itertools.combinations([check_on(core).digests for core in EXPECTED_ISA], 2):
        common = one.keys() & other.keys()
        assert ("dot_f32", "neon") in common
        assert {key: one[key] for key in common} == {key: other[key] for key in common}


def test_scalar_float_kernels_agree_with_this_machine() -> None:
    """No contraction, no reordering: the judge gives the same float everywhere."""
    here, there = check(host_build()).digests, check_on("cortex-a53").digests
    scalar = [key for key in here if key[1] == "scalar"]
    assert ("dot_f32", "scalar") in scalar
    assert [here[key] for key in scalar] == [there[key] for key in scalar]


def test_digests_tell_results_apart_that_differ_by_rounding() -> None:
    digests = check_on("cortex-a53").digests
    assert digests["dot_f32", "neon"] != digests["dot_f32", "scalar"]


def test_planted_read_past_the_end_is_found() -> None:
    planted = "planted: a kernel reads past its guarded row"
    found = check(arm_build(), case=planted, prefix=emulator("cortex-a53"))
    assert found.returncode != 0
    assert "SIGSEGV" in found.output


def by_operation(runs: list[CheckRun]) -> dict[str, list[str]]:
    """Operation -> the digests that all runs and ISAs give it."""
    found: dict[str, list[str]] = {}
    for each in runs:
        for (operation, _), digest in each.digests.items():
            found.setdefault(operation, []).append(digest)
    return found
