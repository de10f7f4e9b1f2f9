"""What docs/notifications.md tells receivers of webhooks to run, run as it stands there."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from anomalies.notify.signing import secret_make, signature_headers

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "notifications.md"
BODY = '{"type":"alert.raised","data":"Łódź"}'.encode()


def sample(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found, language
    return found[1]


def deliveries() -> list[tuple[str, dict[str, str], bytes, bool]]:
    """Secret, headers, body, and whether a receiver should take it."""
    new, old, stranger = secret_make(), secret_make(), secret_make()
    now = int(time.time())
    headers = signature_headers(BODY, delivery_id="msg_1", at_s=now, secrets_valid=[new, old])
    stale = signature_headers(BODY, delivery_id="msg_1", at_s=now - 400, secrets_valid=[new])
    return [
        (new, headers, BODY, True),
        (old, headers, BODY, True),
        (stranger, headers, BODY, False),
        (new, headers, BODY + b" ", False),
        (new, {**headers, "webhook-id": "msg_2"}, BODY, False),
        (new, stale, BODY, False),
    ]


def test_the_python_sample_takes_what_is_genuine_and_fresh_alone():
    space: dict = {}
    exec(sample("python"), space)
    for secret, headers, body, right in deliveries():
        assert space["verify"](secret, headers, body) is right


def test_the_javascript_sample_takes_what_is_genuine_and_fresh_alone(tmp_path):
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("CI runs this with Node")
        pytest.skip("there is no Node here")
    cases = [[secret, headers, body.decode(), right] for secret, headers, body, right in deliveries()]
    script = tmp_path / "check.mjs"
    script.write_text(
        sample("js")
        + f"\nconst cases = {json.dumps(cases)};\n"
        + "for (const [secret, headers, body, right] of cases)\n"
        + "  if (verify(secret, headers, Buffer.from(body)) !== right) process.exit(1);\n"
        + 'console.log("all");\n'
    )
    done = subprocess.run([node, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "all\n", done.stderr
