"""docs/site-api.md: its routes are the server's, its Python runs, its settings are read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from edgeface.console.permissions import API, PERMISSIONS, Access
from edgeface.site.config import SCHEMA
from edgeface.site.token import SCOPES
from edgeface.site.users import ROLES
from tests.console.serving import Served


def document(repository: Path) -> str:
    return (repository / "docs" / "site-api.md").read_text()


def row(method: str, path: str, access: Access) -> str:
    people = "everybody" if access.public else ", ".join(r for r in ROLES if r in access.roles)
    who = "a door" if access.door else people
    return f"| `{method} {path[len(API) :]}` | {who} | {access.scope or '–'} |"


def test_table_of_routes_is_the_servers(repository: Path):
    rows = [
        row(*key, access) for key, access in PERMISSIONS.items() if key[1].startswith(API + "/")
    ]
    found = [x for x in document(repository).splitlines() if re.match(r"\| `[A-Z]+ /", x)]
    assert sorted(found) == sorted(rows)


def test_every_setting_is_named(repository: Path):
    text = document(repository)
    for table, schema in SCHEMA["properties"].items():
        name = f"[{table}]" if schema["type"] == "object" else f"`{table}`"
        assert name in text, name
    for setting in SCHEMA["properties"]["server"]["properties"]:
        assert f"`{setting}`" in text, setting


def test_python_of_the_document_runs(
    served: Served, repository: Path, photos: Path, tmp_path: Path
):
    block = re.search(r"```python\n(.*?)```", document(repository), re.DOTALL)
    assert block
    _, token = served.site.tokens.add("document", scopes=SCOPES, by="user:test")
    (tmp_path / "token.txt").write_text(token + "\n")
    shutil.copy(served.folder / "ca.pem", tmp_path)
    shutil.copy(photos / "hopper.jpg", tmp_path / "ada.jpg")
    code = block[1].replace("https://site.example:8443", served.url)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"[0-9a-f]{32} 1\n", done.stdout)
