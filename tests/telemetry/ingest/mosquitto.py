"""A real Mosquitto of the test's own, and a tap on the line to it."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import paho.mqtt.client as paho
import pytest

CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 1
max_queued_messages {queue}
sys_interval 1
"""


def program():
    """Debian puts it where only root's PATH looks."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: install Debian's package mosquitto")
        pytest.skip("mosquitto is not installed (Debian: mosquitto)")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate_make(directory):
    """A certificate of localhost's own and its key, for two days."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes the certificate")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words, *names], check=True, capture_output=True)
    return certificate, key


class Mosquitto:
    """The broker; its sessions survive `stop` and `start`."""

    def __init__(self, directory, *, tls=False, queue=0):
        self.program, self.port = program(), free_port()
        self._config = directory / "mosquitto.conf"
        # As root it gives itself the user “mosquitto”, who may not enter the test's folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(CONFIG.format(port=self.port, directory=directory, queue=queue) + user)
        self.certificate = directory / "certificate.pem"
        self.tls_port = self._tls_listen(directory) if tls else 0
        self._process = None

    def _tls_listen(self, directory):
        _, key = certificate_make(directory)
        port = free_port()
        with self._config.open("a") as config:
            config.write(f"listener {port} 127.0.0.1\ncertfile {self.certificate}\nkeyfile {key}\n")
        return port

    def start(self):
        self._process = subprocess.Popen(
            [self.program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers)

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def forget(self):
        """Lose all sessions, as a broker without a disk does; to be called while it is stopped."""
        (self._config.parent / "mosquitto.db").unlink()

    def _answers(self):
        assert self._process.poll() is None, "mosquitto ended by itself"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def publish(self, messages, *, retain=False):
        """Topics and payloads, with QoS 1; returns when the broker has them all."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            for sent in [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]:
                sent.wait_for_publish(timeout=20)
                assert sent.is_published()
        finally:
            client.disconnect()
            client.loop_stop()


class Tap:
    """Stands between client and broker and keeps what the client says; may play an old broker that refuses MQTT 5."""

    def __init__(self, broker_port, *, refuse_5=None):
        self.said = bytearray()
        self.versions = []
        self._broker_port, self._refuse_5 = broker_port, refuse_5
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._sockets = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it may be closed already
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            hello = client.recv(65536)
            self.versions.append(hello[8])
            if self._refuse_5 is not None and hello[8] == 5:
                client.sendall(self._refuse_5)
                client.close()
                continue
            broker = socket.create_connection(("127.0.0.1", self._broker_port))
            broker.sendall(hello)
            self._sockets += [client, broker]
            threading.Thread(target=self._pass_on, args=(client, broker, self.said), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(broker, client, bytearray()), daemon=True).start()

    def _pass_on(self, source, target, kept):
        try:
            while data := source.recv(65536):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # one side hung up


def wait_until(happened, *, within_s=30):
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
