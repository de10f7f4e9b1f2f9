"""Browser push: encrypted for the one browser, signed by the installation, forgotten when the browser is gone."""

import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from anomalies.models import Notification, NotificationState, PushSubscription
from anomalies.notify import vapid
from anomalies.notify.outbox import drain
from tests.anomalies.notify.http_servers import Receiver


def browser_keys() -> tuple[dict[str, str], ec.EllipticCurvePrivateKey, bytes]:
    """As a browser makes them: what it gives away, and what it keeps."""
    key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    encode = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()  # noqa: E731
    return {"p256dh": encode(point), "auth": encode(auth)}, key, auth


@pytest.fixture
def browser(in_acme, operator, receiver: Receiver):
    keys, key, auth = browser_keys()
    PushSubscription.objects.create(user=operator, endpoint=receiver.url("/push/1"), browser="Firefox", **keys)
    return key, auth


def pushed() -> Notification:
    return Notification.objects.get(channel="push")


def test_a_push_can_be_read_by_the_browser_alone_and_is_signed_by_us(browser, machine, receiver, raised):
    alert = raised(machine, severity="critical")
    drain()
    (request,) = receiver.received
    assert request.headers["content-encoding"] == "aes128gcm"
    assert request.headers["urgency"] == "high"
    assert Vapid02.verify(request.headers["authorization"])
    assert vapid.public_key() in request.headers["authorization"]
    key, auth = browser
    shown = json.loads(http_ece.decrypt(request.body, private_key=key, auth_secret=auth, version="aes128gcm"))
    assert shown == {
        "title": "Critical: Pump <7> – Vibration above normal",
        "body": "Vibration 7.90 mm/s, normal 1.80–3.10, since 10:42 CET.",
        "url": f"/alerts/{alert.pk}",
        "tag": f"alert:{alert.pk}",
        "severity": "critical",
    }
    assert pushed().state == NotificationState.SENT


def test_a_push_below_the_persons_least_severity_is_not_sent(browser, machine, receiver, raised):
    raised(machine, severity="medium")
    drain()
    assert receiver.received == []


def test_a_browser_that_is_gone_is_forgotten(browser, machine, receiver, raised):
    receiver.answer = lambda request: (410, {}, b"")
    raised(machine)
    drain()
    assert not PushSubscription.objects.exists()
    assert pushed().state == NotificationState.DEAD


def test_a_push_service_that_asks_to_wait_is_tried_later(browser, machine, receiver, raised):
    receiver.answer = lambda request: (429, {"Retry-After": "120"}, b"")
    raised(machine)
    drain()
    row = pushed()
    assert row.state == NotificationState.PENDING
    assert (row.next_attempt_at - row.created_at).total_seconds() > 119


def test_the_installation_makes_its_key_once_however_many_start_at_once(tmp_path, settings):
    settings.STATE_DIR, settings.VAPID_PRIVATE_KEY = tmp_path, ""
    vapid._read.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: vapid._read.__wrapped__("", str(tmp_path)).private_pem(), range(16)))
    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / "vapid.pem").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vapid.pem"]
    settings.VAPID_PRIVATE_KEY = keys.pop().decode()
    settings.STATE_DIR = tmp_path / "elsewhere"
    assert vapid.public_key()
    assert not (tmp_path / "elsewhere").exists()
    vapid._read.cache_clear()
