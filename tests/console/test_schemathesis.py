"""schemathesis asks the server whatever its own description allows, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console.serving import API, Served

LONG = "SCHEMATHESIS_EXAMPLES" in os.environ  # make site-schemathesis
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "2")
PHASES = "coverage,fuzzing,stateful" if LONG else "fuzzing"
_DOORS = f"^{API}/door/"
_LEFT_OUT = "|".join(
    (
        _DOORS,  # doors ask these, below
        f"^{API}/session",  # ends the session that everything else is asked in
        f"^{API}/users/",  # so do these, where they meet the owner
        f"^{API}/events/stream$",  # has no end
        f"^{API}/doors/.*/live$",
    )
)
_SETTINGS = f"""
[[operations]]
include-path = "{API}/people/check"
checks.unsupported_method.enabled = false  # PATCH and DELETE are those of a uid that is none
"""


def run(served: Served, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with served.client() as client:
        description = client.get("/openapi.json").json()
    # It would make up its own cookies and tokens; who may do what, test_permissions.py shows.
    description["components"].pop("securitySchemes")
    for operations in description["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    (folder / "openapi.json").write_text(json.dumps(description))
    (folder / "schemathesis.toml").write_text(_SETTINGS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", served.url),
        *("--tls-verify", str(served.folder / "ca.pem"), "--max-examples", EXAMPLES),
        # What no schema says: passwords that are easily guessed, rules that contradict each other.
        *("--exclude-checks", "positive_data_acceptance"),
        *("--phases", PHASES, "--seed", "7", "--no-color", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--request-timeout", "10"),
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def headers(**values: str) -> list[str]:
    return [part for name, value in values.items() for part in ("-H", f"{name}: {value}")]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="schemathesis needs Python 3.10")
def test_owner_gets_what_the_description_says(served: Served, tmp_path: Path):
    with served.user("owner") as client:
        cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
        own = headers(
            Cookie=cookie, Origin=served.url, **{"X-CSRF-Token": client.headers["X-CSRF-Token"]}
        )
        done = run(served, tmp_path, *own, "--exclude-path-regex", _LEFT_OUT)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert client.get("/session").status_code == 200, "the session ended on the way"


def test_door_gets_what_the_description_says(served: Served, tmp_path: Path):
    with served.door("described", "staff") as client:
        own = headers(Authorization=client.headers["Authorization"])
    done = run(served, tmp_path, *own, "--include-path-regex", _DOORS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
