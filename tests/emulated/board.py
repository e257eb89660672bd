"""An emulated board: a core, the machine around it, and edgeface installed there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.verify.machine import Machine

ISAS = {"cortex-a72": "neon", "cortex-a55": "neondot"}
"""Core → the native ISA that must be chosen there."""

MACHINE = "EDGEFACE_ARM_MACHINE"
TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class EmulatedBoard:
    """Runs programs on one emulated core.

    Attributes
    ----------
    package : folder to import edgeface from.
    core : a key of `export.verify.machine.CORES`.
    home : folder of the program's user, and where it runs.
    """

    machine: Machine
    package: Path
    core: str
    home: Path

    def python(
        self,
        *arguments: object,
        packages: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run the board's Python; standard error comes apart from standard output."""
        command = self.machine.command(
            arguments,
            core=self.core,
            packages=[self.package, *packages],
            environment={"HOME": str(self.home), **(environment or {})},
            options=options,
        )
        return subprocess.run(
            command,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def edgeface(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the ``edgeface`` command."""
        return self.python("-m", "edgeface", *arguments)

    def answer(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """Run an ``edgeface`` command that must end with this code; returns its JSON."""
        done = self.edgeface(*arguments, "--json")
        assert done.returncode == code, f"{self.core}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)
