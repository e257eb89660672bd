"""A real mosquitto with TLS and a password, and what it was sent."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt

from tests.door.certificates import Certificates
from tests.door.outputs import wait_until

USER, PASSWORD = "door", "pass word ü"


def mosquitto() -> str:
    """The broker's program; without it a test is skipped, in CI it fails."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if path is None:
        missing = "mosquitto is missing: apt-get install mosquitto"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


class Broker:
    """mosquitto on a port of its own; `start` and `kill` as often as a test likes.

    `users` may log in besides `USER`, all with `PASSWORD`; `acl` says who may do what, `durable`
    keeps its queues on the disk, and it listens on the address `bind`.
    """

    def __init__(
        self,
        folder: Path,
        certificates: Certificates,
        *,
        users: tuple[str, ...] = (),
        acl: str | None = None,
        durable: bool = False,
        bind: str = "127.0.0.1",
    ) -> None:
        mosquitto()
        self.certificates, self.port = certificates, _free_port()
        self._log, self._config = folder / "log", folder / "mosquitto.conf"
        passwords = folder / "users"
        passwords.touch(mode=0o600)
        for user in (USER, *users):
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, PASSWORD], check=True)
        self._config.write_text(
            f"listener {self.port} {bind}\nuser {_me()}\nallow_anonymous false\n"
            f"password_file {passwords}\ncafile {certificates.authority}\n"
            f"certfile {certificates.server}\nkeyfile {certificates.server_key}\n"
            f"log_type all\nlog_dest file {self._log}\n"
            + (f"persistence true\npersistence_location {folder}/\n" if durable else "")
            + ("autosave_interval 1\nautosave_on_changes true\n" if durable else "")
            + (f"acl_file {_written(folder / 'acl', acl)}\n" if acl is not None else "")
        )
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it; nothing retained survives the last one."""
        self._process = subprocess.Popen([mosquitto(), "-c", str(self._config)])
        wait_until(self._answers)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it wrote down, all runs together."""
        return self._log.read_text()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Listener:
    """Another client of the broker, subscribed to everything; it may publish too."""

    def __init__(self, broker: Broker, *, user: str = USER) -> None:
        self.got: list[tuple[str, bytes, bool]] = []
        self._ready = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(user, PASSWORD)
        authority = str(broker.certificates.authority)
        self.client.tls_set_context(ssl.create_default_context(cafile=authority))
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, m.payload, m.retain))
        self.client.connect("localhost", broker.port)
        self.client.loop_start()
        assert self._ready.wait(10)

    def on(self, topic: str) -> list[bytes]:
        """What came on a topic, in order."""
        return [payload for found, payload, _ in list(self.got) if found == topic]

    def last(self) -> Mapping[str, bytes]:
        """The last payload of each topic."""
        return {topic: payload for topic, payload, _ in list(self.got)}

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it."""
        self.client.publish(topic, payload, qos=1).wait_for_publish(5)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
