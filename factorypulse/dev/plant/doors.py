"""The two public doors as a device uses them: HTTP with keep-alive, MQTT with QoS 1."""

import http.client
import json
import threading
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from factorypulse.dev.plant.config import PlantConfig

_TIMEOUT_S = 15.0


class DoorClosedError(Exception):
    """The door can't be reached, or refuses this device; worth another try later.

    retry_after_s: how long the server asked to wait, when it did.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body: readings refused, and the first reason. MQTT tells of none."""

    refused: int = 0
    reason: str = ""


class Door(Protocol):
    """Takes a body of readings; returning means that they are on the server's disk."""

    def send(self, body: bytes) -> Receipt:
        """Raises DoorClosedError."""

    def close(self) -> None: ...


class HttpDoor:
    """POST /api/v1/telemetry/ingest on one kept connection."""

    def __init__(self, config: PlantConfig) -> None:
        parts = urlsplit(config.http_url)
        host = parts.hostname or "localhost"
        # Names under .localhost are this machine by RFC 6761, but not every resolver knows them.
        self._address = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._headers = {
            "Host": parts.netloc,
            "Authorization": f"Api-Key {config.api_key}",
            "Content-Type": "application/json",
        }
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> Receipt:
        try:
            status, headers, answer = self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise DoorClosedError(f"no answer ({error.__class__.__name__})") from error
        if status in {200, 201, 204}:
            return _receipt(answer)
        if status == 400:
            # Every reading was refused: sending the same body again would change nothing.
            return _receipt(answer, all_refused=True)
        raise DoorClosedError(f"answer {status} {_problem_code(answer)}", retry_after_s=_retry_after(headers))

    def _exchange(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        if self._connection is None:
            make = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
            self._connection = make(self._address, self._port, timeout=_TIMEOUT_S)
        self._connection.request("POST", "/api/v1/telemetry/ingest", body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _fields(answer: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(answer)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _receipt(answer: bytes, *, all_refused: bool = False) -> Receipt:
    fields = _fields(answer)
    refusals = fields.get("rejected") or fields.get("errors") or []
    if refusals:
        return Receipt(len(refusals), f"{refusals[0].get('code')}: {refusals[0].get('detail')}")
    return Receipt(1, _problem_code(answer)) if all_refused else Receipt()


def _problem_code(answer: bytes) -> str:
    return str(_fields(answer).get("code", ""))


def _retry_after(headers: http.client.HTTPMessage) -> float | None:
    try:
        return max(0.1, float(headers["Retry-After"]))
    except (TypeError, ValueError):
        return None


class MqttDoor:
    """PUBLISH with QoS 1 to the machine's topic; paho keeps the connection."""

    def __init__(self, config: PlantConfig, machine: str, *, version: str = "5") -> None:
        self._topic = f"factories/{config.factory}/devices/{machine}/telemetry"
        self._refusal = "not connected"
        self._connected = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{config.factory}-{machine}", protocol=protocol)
        client.username_pw_set(config.factory, config.api_key)
        client.reconnect_delay_set(min_delay=1, max_delay=10)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.connect_async(config.mqtt_host, config.mqtt_port, keepalive=30)
        client.loop_start()
        self._client = client

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
        else:
            self._connected.set()

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._connected.clear()
        self._refusal = f"disconnected: {reason}"

    def send(self, body: bytes) -> Receipt:
        if not self._connected.wait(2.0):
            raise DoorClosedError(self._refusal)
        try:
            message = self._client.publish(self._topic, body, qos=1)
            message.wait_for_publish(_TIMEOUT_S)
        except (RuntimeError, ValueError) as error:
            raise DoorClosedError(f"not published ({error})") from error
        if not message.is_published():
            raise DoorClosedError("no PUBACK")
        return Receipt()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
