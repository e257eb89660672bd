"""The connection to an MQTT broker, by paho-mqtt: it comes back, and subscribes to nothing."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from edgeface.door.sender_queue import DeliveryError
from edgeface.errors import DoorError

INSTALL = "pip install 'edgeface[door]'"
ONLINE, OFFLINE = b"online", b"offline"
_QOS = 1  # at least once: receivers know a repeated one by its event_id
_STEP_S = 0.25
_LEAVE_S = 2.0


@dataclass(frozen=True)
class Broker:
    """Where the broker is and who we are.

    Attributes
    ----------
    host, port
        Of the broker.
    tls
        How it is checked; None is a plain connection.
    username, password
        None where the broker asks for none.
    client_id
        Differs for each door of a broker.
    keepalive_s
        After one and a half of these without a sign of life the broker says that we are offline.
    timeout_s
        For connecting, and for one message's acknowledgement, seconds.
    longest_pause_s
        Between two tries to connect, at most, seconds.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    client_id: str
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    keepalive_s: int = 30
    timeout_s: float = 10.0
    longest_pause_s: float = 30.0


@dataclass(frozen=True)
class Publication:
    """A message: topic, payload, and whether the broker keeps it for who subscribes later."""

    topic: str
    payload: bytes
    retain: bool = False


class MqttLink:
    """A client that connects in paho's own thread, at once and again after every loss.

    Parameters
    ----------
    broker
        Where to.
    availability_topic
        Gets "online", and "offline" when we go or, by the broker, when we vanish.
    greeting
        Called at every connection for what to publish then, retained: the broker may have lost it.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        availability_topic: str,
        greeting: Callable[[], Iterable[Publication]],
    ) -> None:
        self._broker, self._topic, self._greeting = broker, availability_topic, greeting
        self._connected = threading.Event()
        self._problem: str | None = "not connected yet"
        self._pending: tuple[Publication, Any] | None = None
        self._client = self._opened()

    def problem(self) -> str | None:
        """Return why there is no connection, or None while there is one."""
        return None if self._connected.is_set() else f"{self._place}: {self._problem}"

    def publish(self, message: Publication, *, closing: Callable[[], bool]) -> None:
        """Publish and wait for the broker's acknowledgement; only one thread may call this.

        Raises
        ------
        DeliveryError
            No connection or no acknowledgement in time. Called again with the same message, it
            goes on waiting: paho sends what is not acknowledged after a reconnect.
        """
        if self._pending is None or self._pending[0] != message:
            if not self._wait(self._connected.is_set, wait=self._connected.wait, closing=closing):
                raise DeliveryError(self.problem() or "no connection", again=True)
            self._pending = (message, self._handed_over(message))
        sent = self._pending[1]
        if not self._wait(sent.is_published, wait=sent.wait_for_publish, closing=closing):
            raise DeliveryError(
                self.problem()
                or f"{self._place}: no acknowledgement within {self._broker.timeout_s:g} s",
                again=True,
            )
        self._pending = None

    def close(self) -> None:
        """Say that we go, and disconnect; at most a few seconds."""
        if self._connected.is_set():
            farewell = self._handed_over(Publication(self._topic, OFFLINE, retain=True))
            until = time.monotonic() + 1.0
            while not farewell.is_published() and time.monotonic() < until:
                time.sleep(0.01)
        self._client.disconnect()
        # paho joins its thread without a limit, and that may be looking up a name.
        leaving = threading.Thread(target=self._client.loop_stop, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_S)

    @property
    def _place(self) -> str:
        return f"{self._broker.host}:{self._broker.port}"

    def _opened(self) -> Any:
        broker, mqtt = self._broker, _paho()
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=True,
        )
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.will_set(self._topic, OFFLINE, qos=_QOS, retain=True)
        client.connect_timeout = broker.timeout_s
        client.reconnect_delay_set(min_delay=1, max_delay=max(1, int(broker.longest_pause_s)))
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_socket_open = self._on_connect_fail, _send_at_once
        client.connect_async(broker.host, broker.port, keepalive=broker.keepalive_s)
        client.loop_start()
        return client

    def _handed_over(self, message: Publication) -> Any:
        info = self._client.publish(message.topic, message.payload, qos=_QOS, retain=message.retain)
        if info.rc == _paho().MQTT_ERR_NO_CONN:
            # paho has it all the same, and sends it after the next connection; with this code it
            # would refuse to say when.
            info.rc = _paho().MQTT_ERR_SUCCESS
        return info

    def _wait(
        self,
        ready: Callable[[], bool],
        *,
        wait: Callable[[float], object],
        closing: Callable[[], bool],
    ) -> bool:
        """Wait in steps until it is ready, we are closing, or the time is over; return `ready`."""
        until = time.monotonic() + self._broker.timeout_s
        while not ready() and not closing() and time.monotonic() < until:
            wait(_STEP_S)
        return ready()

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._problem = f"the broker refused us: {code}; see username and password_file"
            return
        client.publish(self._topic, ONLINE, qos=_QOS, retain=True)
        for message in self._greeting():
            client.publish(message.topic, message.payload, qos=_QOS, retain=True)
        self._connected.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if self._connected.is_set():  # else `_on_connect` said it better
            self._problem = f"the connection was lost: {code}"
        self._connected.clear()

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        error = sys.exc_info()[1]  # paho calls this while it handles the error
        text = "no answer" if error is None else f"{type(error).__name__}: {error}"
        self._problem = f"cannot connect: {text}"


def _send_at_once(_client: Any, _data: Any, connection: socket.socket) -> None:
    # Else the kernel holds a second small message back until the first is acknowledged: 40 ms.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _paho() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise DoorError(f"paho-mqtt is not installed; run: {INSTALL}") from error
    return client
