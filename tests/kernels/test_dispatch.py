"""Which kernels run: the table's order, and forcing one from outside."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edgeface import _native

VARIABLE = "EDGEFACE_ISA"
PRINT_ACTIVE = "from edgeface import _native; print(_native.active_isa())"


def run_with_isa(isa: str | None, code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if isa is not None:
        environment[VARIABLE] = isa
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_scalar_is_always_there_and_last() -> None:
    assert _native.supported_isas()[-1] == "scalar"
    assert len(set(_native.supported_isas())) == len(_native.supported_isas())


@pytest.mark.parametrize("isa", _native.supported_isas())
def test_forced_isa_is_the_active_one(isa: str) -> None:
    result = run_with_isa(isa, PRINT_ACTIVE)
    assert (result.returncode, result.stdout.strip()) == (0, isa), result.stderr


@pytest.mark.parametrize("isa", [None, ""])
def test_best_isa_is_active_when_none_is_forced(isa: str | None) -> None:
    assert run_with_isa(isa, PRINT_ACTIVE).stdout.strip() == _native.supported_isas()[0]


def test_unknown_forced_isa_is_an_error_that_lists_what_there_is() -> None:
    result = run_with_isa("neonx", PRINT_ACTIVE)
    assert result.returncode != 0
    assert "ValueError: EDGEFACE_ISA: unknown ISA 'neonx'; built with: " in result.stderr
    assert f"this CPU supports: {', '.join(_native.supported_isas())}" in result.stderr


def test_unknown_forced_isa_stops_the_search_and_not_the_import() -> None:
    code = (
        "import numpy as np\n"
        "from edgeface import _native\n"
        "rows = np.eye(2, dtype=np.float32)\n"
        "for _ in range(2):\n"
        "    try: _native.cosine_topk(rows, rows[0], 1)\n"
        "    except ValueError as error: print(error)\n"
    )
    result = run_with_isa("sse9", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("EDGEFACE_ISA: unknown ISA 'sse9'") == 2


def test_unknown_isa_argument_is_refused() -> None:
    vector = np.ones(4, dtype=np.float32)
    with pytest.raises(ValueError, match="unknown ISA 'mmx'; built with: .*scalar"):
        _native.dot_f32(vector, vector, isa="mmx")


def test_native_version_is_the_packages(repository) -> None:
    assert _native.__version__ == (repository / "VERSION").read_text().strip()
