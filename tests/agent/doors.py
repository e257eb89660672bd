"""A door's folder that belongs to a served site, and its agent as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.door.new import make_door
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey

ROOT = Path(__file__).resolve().parent.parent.parent


class DoorFolder:
    """door.toml, agent.toml and their keys in one folder; its gallery is encrypted."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        token: str,
        url: str,
        ca_file: Path,
        model_id: str,
        mqtt: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        list(make_door(folder))
        self.folder, self.name, self._model_id = folder, name, model_id
        self.agent_toml, self.rules = folder / "agent.toml", folder / "site-rules.json"
        door = folder / "door.toml"
        text = door.read_text().replace('name = "front"', f'name = "{name}"', 1)
        door.write_text('site_rules = "site-rules.json"\n' + text)
        (folder / "token").write_text(token + "\n")
        (folder / "token").chmod(0o600)
        settings = {"site": url, "ca_file": str(ca_file), "token_file": "token", **more}
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        lines.append('door_config = "door.toml"')
        if mqtt is not None:
            lines += ["[mqtt]", *(f"{key} = {json.dumps(v)}" for key, v in mqtt.items())]
        self.agent_toml.write_text("\n".join([*lines, ""]))
        self.process: subprocess.Popen | None = None

    def gallery(self) -> Gallery:
        """The gallery as the board's own tools open it."""
        key = GalleryKey.from_file(self.folder / "gallery.key")
        return Gallery.open(self.folder / "gallery.db", model_id=self._model_id, key=key)

    def command(self, *options: str) -> list[str]:
        program = [sys.executable, "-m", "edgeface", "agent"]
        return [*program, "--config", str(self.agent_toml), *options]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the agent until it ends."""
        return subprocess.run(
            self.command(*options), cwd=ROOT, env=environment(), capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip

    def start(self, *before: str) -> None:
        """Start the agent; `before` is a program that starts it."""
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*before, *self.command()], cwd=ROOT, env=environment(), stderr=log
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """End the agent in order; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.process = None
        return code


def faces(count: int, *, seed: int = 0) -> np.ndarray:
    """Unit rows, (count, 512) float32: strangers to each other."""
    rows = np.random.default_rng(seed).standard_normal((count, 512)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
