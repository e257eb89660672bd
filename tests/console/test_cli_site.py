"""``edgeface site``: a new site's folder, its first owner, doors, and serving it as a process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import ssl
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pyotp
import pytest
from cryptography import x509

from edgeface.cli import main
from edgeface.site.database import Database
from edgeface.site.site_certificate import certificate_problem, make_server_certificate
from edgeface.site.users_guess import Guesses
from tests.console.serving import PASSWORD, free_port, wait_until
from tests.site.postgres import Postgres


@pytest.fixture(scope="module")
def conninfo(postgres: Postgres) -> str:
    return postgres.create()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, conninfo: str) -> Path:
    """A site with an owner called ada, as the command makes it."""
    made = tmp_path_factory.mktemp("cli") / "site"
    done = edgeface(
        *("site", "--new", str(made), "--database", conninfo, "--user", "ada"),
        *("--names", "localhost,127.0.0.1"),
        typed=f"{PASSWORD}\n",
    )
    assert done.returncode == 0, done.stderr
    (made / "otpauth").write_text(next(x for x in done.stdout.splitlines() if "otpauth:" in x))
    assert "█" in done.stdout, "the QR code"
    settings = made / "site.toml"
    settings.write_text(settings.read_text().replace("8443", str(free_port())))
    return made


def edgeface(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command in this process: a new one takes seconds to start."""
    out, error, stdin = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(typed)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = main(arguments)
    finally:
        sys.stdin = stdin
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), error.getvalue())


def of(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return edgeface("site", "--config", str(folder / "site.toml"), *arguments, typed=typed)


def test_new_site_keeps_its_secrets_to_its_owner(folder: Path):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("site.toml", "site.key", "ca.key", "server.key", "acts.pem"):
        assert modes[name] == 0o600, name


def test_new_site_overwrites_nothing(folder: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["site", "--new", str(folder)]) == 1
    assert "site.toml" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_certificate_is_for_the_names_and_is_renewed_under_the_same_authority(folder: Path):
    old = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert old.not_valid_after_utc - old.not_valid_before_utc < timedelta(days=398)
    assert of(folder, "--renew-certificate").returncode == 0
    new = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    assert new.serial_number != old.serial_number
    new.verify_directly_issued_by(authority)
    assert certificate_problem(folder / "server.pem") is None
    make_server_certificate(folder, names=["localhost"], days=10)
    assert "renew-certificate" in str(certificate_problem(folder / "server.pem"))
    soon = of(folder, "--check")
    assert soon.returncode == 1 and "ends in 9 days" in soon.stderr
    assert of(folder, "--renew-certificate").returncode == 0


def test_check_opens_everything(folder: Path):
    done = of(folder, "--check")
    assert done.returncode == 0, done.stderr
    assert "0 doors" in done.stdout


def test_served_site_lets_the_owner_in_and_knows_what_the_command_line_did(
    folder: Path, conninfo: str
):
    done = of(folder, "--add-door", "front", "--groups", "staff")
    assert done.returncode == 0 and "token_file" in done.stdout, done.stderr
    again = of(folder, "--add-door", "front")
    assert again.returncode == 1 and "already" in again.stderr
    command = [sys.executable, "-m", "edgeface", "site", "--config", "site.toml", "--serve"]
    server = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        _use(folder)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM site_act_waiting").fetchone() == (0,)


def _use(folder: Path) -> None:
    port = next(x for x in (folder / "site.toml").read_text().split() if x.isdigit())
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    url = f"https://localhost:{port}"
    with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=20) as client:

        def answers() -> bool:
            try:
                return client.get("/api/v1/openapi.json").status_code == 200
            except httpx.TransportError:
                return False

        assert wait_until(answers, limit_s=60)
        code = pyotp.parse_uri((folder / "otpauth").read_text()).now()
        entered = client.post(
            "/api/v1/session", json={"name": "ada", "password": PASSWORD, "code": code}
        )
        assert entered.status_code == 201, entered.text
        acts = lambda: [entry["act"] for entry in client.get("/api/v1/acts").json()]  # noqa: E731
        assert wait_until(lambda: {"door added", "user added"} <= set(acts()))
        assert client.get("/api/v1/doors").json()[0]["name"] == "front"


def test_lost_password_and_telephone_are_replaced(folder: Path, conninfo: str):
    with Database(conninfo, most=1) as database:
        guesses, tried = Guesses(database), []
        while guesses.count(address=f"192.0.2.{len(tried)}", account="ada") is None:
            tried.append(1)
    done = of(folder, "--reset-user", "ada", typed="another horse battery\n")
    assert done.returncode == 0, done.stderr
    assert pyotp.parse_uri(done.stdout.splitlines()[-1]).secret
    with Database(conninfo, most=1) as database:
        free = Guesses(database).count(address="192.0.2.200", account="ada")
        assert free is None, "guesses of others keep nobody out who was reset"
    assert of(folder, "--reset-user", "bob", typed=f"{PASSWORD}\n").returncode == 1
    short = of(folder, "--add-user", "bob", "--role", "auditor", typed="short\n")
    assert short.returncode == 1 and "12" in short.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('bind = "127.0.0.1"', 'bind = "0.0.0.0"', "loopback only"),
        ('name = "site"', 'name = "a site"', "name"),
        ("[database]", "[base]", "base"),
        ('key = "server.key"', "", "go together"),
    ],
)
def test_wrong_settings_are_refused_and_named(folder: Path, tmp_path: Path, old, new, said):
    text = (folder / "site.toml").read_text()
    if "loopback" in said:  # without TLS
        text = text.replace('certificate = "server.pem"', "").replace('key = "server.key"', "")
    (tmp_path / "site.toml").write_text(text.replace(old, new))
    done = edgeface("site", "--config", str(tmp_path / "site.toml"), "--check")
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_key_that_others_may_read_is_refused(folder: Path):
    (folder / "server.key").chmod(0o644)
    done = of(folder, "--serve")
    (folder / "server.key").chmod(0o600)
    assert done.returncode == 1 and "0644" in done.stderr


def test_acl_of_the_broker_is_printed_with_who_else_may_read(folder: Path):
    printed = edgeface("site", "--config", str(folder / "site.toml"), "--broker-acl", "house")
    assert printed.returncode == 0, printed.stderr
    assert "user house\ntopic read edgeface/#\n" in printed.stdout
    assert "pattern write edgeface/%u/#\n" in printed.stdout


def test_new_site_whose_first_owner_fails_says_how_to_go_on(conninfo: str, tmp_path: Path):
    command = ("site", "--new", str(tmp_path / "site"), "--database", conninfo, "--user", "eve")
    done = edgeface(*command, typed="short\n")
    assert done.returncode == 1
    assert f"--config {tmp_path / 'site' / 'site.toml'} --add-user eve" in done.stderr
    assert of(tmp_path / "site", "--add-user", "eve", typed=f"{PASSWORD}\n").returncode == 0
