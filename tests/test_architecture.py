"""The layout's rules as tests: who may import whom; tests/test_architecture_native.py: csrc/.

A rule that fails here is a decision to take, not a test to adapt: ARCHITECTURE.md has the
reasons. Each check is shown below to catch a planted violation.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.architecture import (
    EXPORT_ALSO,
    EXPORT_MAY_IMPORT,
    FORBIDDEN,
    LAYERS,
    LAZY_PACKAGES,
    ONLY,
    RUNTIME_PACKAGES,
    SERVER_PACKAGES,
    VENDOR_RUNTIMES,
)

if sys.version_info < (3, 10):
    pytest.skip("needs sys.stdlib_module_names, Python 3.10", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
IMPORT_LIMIT_SECONDS = 0.3
FILE_LIMIT_LINES = 300
PUBLIC_NAMES_LIMIT = 15  # beside __version__, which every package has


def modules(package: str) -> dict[str, Path]:
    """Dotted name inside ``package`` (its ``__init__`` is "") -> file."""
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(f.relative_to(ROOT / package).with_suffix("").parts) for f in files]
    return {re.sub(r"\.?__init__$", "", name): file for name, file in zip(names, files)}


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """(dotted name, is it at the top) of everything that a module imports at run time."""
    for node, top in _statements(ast.parse(source).body, True):
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module in ("edgeface", "edgeface.backends", "export"):
                yield from ((f"{node.module}.{alias.name}", top) for alias in node.names)
            else:
                yield str(node.module), top


def _statements(body: list[ast.stmt], top: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node, top
        inside = top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.stmt, ast.ExceptHandler)):
                yield from _statements([child], inside)


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def layer(name: str) -> int:
    found = [rank for rank, patterns in enumerate(LAYERS) if matches(name, patterns)]
    assert found, f"edgeface.{name} has no layer: say in LAYERS where it stands"
    return found[0]


def arrow_problem(module: str, imported: str) -> str | None:
    """Why one module of edgeface may not import another, or None."""
    target = imported.split(".", 1)[1] if "." in imported else ""
    if target and target not in modules("edgeface") and target != "_native":
        target = target.rpartition(".")[0]  # a name of edgeface.backends, not a module
    if not target:
        return None
    if layer(target) > layer(module):
        return f"edgeface.{module} imports edgeface.{target} of a higher layer"
    for pattern, allowed in ONLY.items():
        if fnmatch(module, pattern) and not matches(target, allowed):
            return f"edgeface.{module} imports edgeface.{target}; it may: {allowed}"
    return None


def import_problems(module: str, source: str) -> list[str]:
    """Every import of a module of edgeface that breaks a rule."""
    lazy, server = _named(LAZY_PACKAGES, module), _named(SERVER_PACKAGES, module)
    problems = []
    for name, top in imports(source):
        package = name.split(".")[0]
        allowed = RUNTIME_PACKAGES | server if top else RUNTIME_PACKAGES | server | lazy
        if package == "edgeface":
            problems.append(arrow_problem(module, name))
        elif package in FORBIDDEN or package not in allowed | sys.stdlib_module_names:
            problems.append(f"edgeface.{module} imports {name} {'at its top' if top else ''}")
    return [problem for problem in problems if problem]


def _named(packages: dict[str, set[str]], module: str) -> set[str]:
    return set().union(*(names for pattern, names in packages.items() if fnmatch(module, pattern)))


def export_problems(module: str, source: str) -> list[str]:
    edgeface = {name for name, _ in imports(source) if name.split(".")[0] == "edgeface"}
    return sorted(edgeface - EXPORT_MAY_IMPORT - EXPORT_ALSO.get(module, set()))


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


@pytest.mark.parametrize("module", [name for name in modules("edgeface") if name])
def test_module_imports_only_downwards_and_only_what_the_board_has(module: str) -> None:
    assert import_problems(module, modules("edgeface")[module].read_text()) == []


@pytest.mark.parametrize("module", modules("export"))
def test_export_imports_of_the_runtime_only_what_is_agreed(module: str) -> None:
    assert export_problems(module, modules("export")[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gallery", "import torch"),
        ("gallery", "def f():\n    import onnx"),
        ("pipeline", "import export.dsanet"),
        ("embed", "import onnxruntime"),
        ("backends.onnx", "import onnxruntime"),
        ("backends.onnx", "from edgeface.pipeline import Pipeline"),
        ("bundle", "from edgeface import pipeline"),
        ("door.run", "import fastapi"),
        ("agent.replica", "from edgeface.site.database import Database"),
        ("agent.replica", "def f():\n    import psycopg"),
        ("align", "try:\n    import skimage\nexcept ImportError:\n    pass"),
    ],
)
def test_planted_import_is_caught(module: str, source: str) -> None:
    assert import_problems(module, source) != []


def test_planted_export_import_is_caught() -> None:
    assert export_problems("pack", "from edgeface.pipeline import Pipeline") != []
    assert export_problems("pack", "from edgeface.backends.tflite import TfliteBackend") != []
    assert export_problems("pack", "from edgeface.bundle import write_bundle") == []


def test_import_edgeface_loads_no_inference_runtime_and_no_training_code() -> None:
    code = (
        "import sys, edgeface\n"
        "for name in edgeface.__all__: getattr(edgeface, name)\n"
        f"print([m for m in {(*VENDOR_RUNTIMES, *sorted(FORBIDDEN))} if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_import_edgeface_is_quick() -> None:
    code = "import time; t = time.perf_counter(); import edgeface; print(time.perf_counter() - t)"
    best = min(float(run_python(code)) for _ in range(5))
    assert best < IMPORT_LIMIT_SECONDS, f"import edgeface takes {best:.3f} s"


def test_public_names_are_few_and_sorted() -> None:
    import edgeface

    assert list(edgeface.__all__) == sorted(edgeface.__all__)
    assert len(set(edgeface.__all__) - {"__version__"}) <= PUBLIC_NAMES_LIMIT


@pytest.mark.parametrize("folder", ["edgeface", "export", "csrc", "tests"])
def test_files_are_short(folder: str) -> None:
    files = [f for f in (ROOT / folder).rglob("*") if f.suffix in (".py", ".cc", ".h")]
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in files}
    assert {name: n for name, n in lengths.items() if n > FILE_LIMIT_LINES} == {}


def test_functions_are_short() -> None:
    lengths = sorted(n for file in modules("edgeface").values() for n in function_lengths(file))
    assert statistics.median(lengths) < 10
    assert lengths[int(0.9 * len(lengths))] < 30


def function_lengths(file: Path) -> Iterator[int]:
    """Lines of each function of a file, docstrings excluded."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node) is not None
            doc = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
            yield node.end_lineno - node.lineno + 1 - doc
