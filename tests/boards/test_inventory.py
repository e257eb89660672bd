"""Bills of materials of what boards install, and that nothing unchecked is called clean."""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.requirements import Requirement

from boards.errors import BoardsError
from boards.inventory.advisories import Advisories, ask
from boards.inventory.command import tell
from boards.inventory.packages import board_packages, installed, server_packages
from boards.inventory.sbom import write_sbom
from boards.wheels.target import PYTHONS

PACKAGES = ["numpy==2.4.6", "gpiod==2.5.0"]
ADVISORY = {
    "id": "TEST-1",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "gpiod", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.6"}]}],
        }
    ],
}


def require(*modules: str) -> None:
    """Skip without the tools of the extra `lint`; fail in CI."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        text = f"not installed: {missing}; pip install -e '.[test]'"
        pytest.fail(text) if "CI" in os.environ else pytest.skip(text)


@contextmanager
def service(*, advised: str | None = None, status: int = 200) -> Iterator[str]:
    """A service that speaks as OSV does, and knows of one advisory."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"vulns": [ADVISORY]} if asked["package"]["name"] == advised else {}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def test_every_package_of_a_list_is_in_its_bill_and_the_same_list_gives_the_same_bytes(tmp_path):
    require("cyclonedx_py")
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        write_sbom(file, PACKAGES, name="board", version="1.2.3")
    bill = json.loads(files[0].read_text())
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["version"] == "1.2.3"
    assert {part["purl"] for part in bill["components"]} == {
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/gpiod@2.5.0",
    }
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_is_no_package_makes_no_bill(tmp_path):
    require("cyclonedx_py")
    with pytest.raises(BoardsError, match="it would lack = = ="):
        write_sbom(tmp_path / "bill.json", [*PACKAGES, "= = ="], name="board", version="1")
    assert not list(tmp_path.iterdir())


def test_kits_of_every_python_and_the_server_are_listed_by_exact_versions():
    lists = {**board_packages(), "server": server_packages()}
    assert set(lists) == {*PYTHONS, "server"}
    for packages in lists.values():
        assert all(str(Requirement(package).specifier).startswith("==") for package in packages)
    assert {"ai-edge-litert", "cryptography", "gpiod"} <= _names(lists["3.9"])
    # With what psycopg's extras bring, and what those need.
    assert {"fastapi", "starlette", "psycopg-binary", "psycopg-pool"} <= _names(lists["server"])


def test_package_that_is_not_installed_is_no_inventory():
    with pytest.raises(BoardsError, match="no-such-package is not installed here"):
        installed([Requirement("no-such-package>=1")])


def test_advisory_is_told_and_ends_with_an_error(capsys, tmp_path):
    require("pip_audit")
    with service(advised="gpiod") as url:
        answer = ask(PACKAGES, services=("osv",), osv_url=url)
    assert set(answer.checked) == set(PACKAGES) and not answer.unchecked
    assert answer.found == ("gpiod==2.5.0: TEST-1, mended in 2.6",)
    assert tell({"board": answer}, tmp_path) == 1
    assert "ADVISORY board: gpiod==2.5.0" in capsys.readouterr().out


def test_list_without_advisories_is_clean_where_all_of_it_was_checked(capsys, tmp_path):
    require("pip_audit")
    with service() as url:
        answer = ask(PACKAGES, services=("osv",), osv_url=url)
    assert tell({"board": answer}, tmp_path) == 0
    assert capsys.readouterr().out == "board: 2 packages checked, 0 advisories\n"


def test_service_that_cannot_be_asked_makes_nothing_clean(capsys, tmp_path):
    require("pip_audit")
    with service(status=503) as url:
        answer = ask(PACKAGES, services=("osv",), osv_url=url)
    assert answer.unchecked == tuple(PACKAGES) and not answer.checked
    assert tell({"board": answer}, tmp_path) == 0
    said = capsys.readouterr().out
    assert "2 packages NOT CHECKED (osv: " in said
    assert "Advisories were NOT CHECKED" in said and str(tmp_path) in said


def test_list_that_is_half_checked_is_an_error(capsys, tmp_path):
    half = Advisories(("numpy==2.4.6",), (), ("gpiod==2.5.0",), "pypi does not know them")
    assert tell({"board": half}, tmp_path) == 1
    assert "1 packages NOT CHECKED (pypi does not know them)" in capsys.readouterr().out


def _names(packages: list[str]) -> set[str]:
    return {Requirement(package).name for package in packages}
