"""The C++ check program on this machine: without Python, on every ISA that the CPU has."""

from __future__ import annotations

from edgeface import _native
from tests.check_build import check, host_build


def test_every_check_passes_and_the_best_isa_is_active() -> None:
    found = check(host_build())
    assert found.returncode == 0, found.output
    assert found.isas == (_native.supported_isas()[0], _native.supported_isas())


def test_forced_isa_is_the_active_one() -> None:
    for isa in _native.supported_isas():
        assert check(host_build(), isa=isa, case="*active*").isas[0] == isa


def test_forced_isa_that_is_not_there_ends_the_program_with_an_error() -> None:
    found = check(host_build(), isa="sse9")
    assert found.returncode == 2
    assert "EDGEFACE_ISA: unknown ISA 'sse9'" in found.output


def test_planted_read_past_the_end_is_found_on_every_isa() -> None:
    for isa in _native.supported_isas():
        planted = "planted: a kernel reads past its guarded row"
        found = check(host_build(), isa=isa, case=planted)
        assert found.returncode != 0
        assert "SIGSEGV" in found.output
