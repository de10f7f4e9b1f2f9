"""From a reading to the people: how long until a browser knows of an alert, and until the mail server has the mail.

The whole trial runs as `make demo` runs it, fed at a steady rate over HTTP. Every few seconds one more machine reports
a value beyond its rule's limit. Three clocks start as that reading is sent: until it is acknowledged (it is on disk
then), until the socket of an open browser has told of the alert and the banner has been fetched, and until a real SMTP
server has taken the mail. Between them stand what the product itself notes: when the drain had stored the reading, how
long the evaluation took, when the alert was written. `make bench NAME=alert_path`.
"""

import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from benchmarks.ingest import FOLDER
from benchmarks.journey.product import FACTORY, FactoryPulse
from factorypulse.dev.ports import free_port

MACHINES, METRICS, POSTS_PER_S = 100, 10, 10
LIMIT = 10.0
# Fewer than what the product takes for a storm, which it gathers on purpose.
EVERY_S = 15.5
_PATIENCE_S = 15.0
_SETTLE_S = 20.0
# A harmless reading that is on its way must not overtake the probe's.
_CLEAR_S = 0.4


@dataclass(slots=True)
class Probe:
    """One alert: when its reading was sent, and how long (seconds) until each thing had happened."""

    machine: str
    sent_at: float = 0.0
    sent_epoch_s: float = 0.0
    acknowledged_s: float = float("nan")
    stored_s: float = float("nan")
    evaluated_s: float = float("nan")
    raised_s: float = float("nan")
    socket_s: float = float("nan")
    banner_s: float = float("nan")
    mail_s: float = float("nan")


@dataclass
class Mailbox:
    """The SMTP server's side: when which mail was taken."""

    taken: dict[str, float] = field(default_factory=dict)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # its name there
        """Note the machine in the subject, and take the mail."""
        at = time.monotonic()
        content = envelope.original_content or b""
        subject = str(make_header(decode_header(str(message_from_bytes(content)["Subject"]))))
        for word in subject.split():
            if word.startswith("PROBE"):
                self.taken.setdefault(word, at)
        return "250 OK"


class AlertPath:
    """The product under load, a browser's socket, and the probes."""

    def __init__(self, base: str, host: str, key: str, cookie: str, mailbox: Mailbox) -> None:
        self._base, self._host, self._key, self._cookie, self._mailbox = base, host, key, cookie, mailbox
        self.heard: dict[str, float] = {}
        self.posted = 0
        self.late_s = 0.0
        # What each probe's machine reports beside the load, all the while: one that fell silent would be an alert too.
        self.reported: dict[str, float] = {}

    async def run(self, probes: list[Probe]) -> None:
        """Load all the while; one probe after the other."""
        async with aiohttp.ClientSession() as session:
            load = asyncio.create_task(self._load(session))
            socket = asyncio.create_task(self._listen(session))
            try:
                await asyncio.sleep(_SETTLE_S)
                for probe in probes:
                    begun = time.monotonic()
                    await self._probe(session, probe)
                    await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - begun)))
            finally:
                for task in (load, socket):
                    task.cancel()
                await asyncio.gather(load, socket, return_exceptions=True)

    async def warm(self, machines: list[str]) -> None:
        """A harmless reading of each, so that they are known."""
        self.reported = dict.fromkeys(machines, 1.0)
        async with aiohttp.ClientSession() as session:
            readings = [{"machine": machine, "metrics": {"vibration": 1.0}} for machine in machines]
            await self._post(session, {"readings": readings})

    async def _load(self, session: aiohttp.ClientSession) -> None:
        number, begun = 0, time.monotonic()
        machines = [f"L{index:03}" for index in range(MACHINES)]
        while True:
            due = begun + number / POSTS_PER_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.late_s = max(self.late_s, time.monotonic() - due)
            value = 50.0 + number % 7
            readings = [
                {"machine": machine, "metrics": {f"m{metric}": value + metric for metric in range(METRICS)}}
                for machine in machines
            ]
            readings += [{"machine": machine, "metrics": {"vibration": v}} for machine, v in self.reported.items()]
            await self._post(session, {"readings": readings})
            self.posted += MACHINES * METRICS + len(self.reported)
            number += 1

    async def _post(self, session: aiohttp.ClientSession, body: Any) -> None:
        headers = {"X-API-Key": self._key, "Host": self._host}
        async with session.post(f"{self._base}/api/v1/telemetry/ingest", json=body, headers=headers) as answer:
            if answer.status != 201:
                raise RuntimeError(f"refused: {answer.status} {await answer.text()}")

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        headers = {"Host": self._host, "Origin": f"http://{self._host}", "Cookie": self._cookie}
        async with session.ws_connect(f"{self._base}/ws/live", headers=headers) as socket:
            await socket.send_json({"watch": {"machines": ["L000"], "history_s": 0}})
            async for message in socket:
                found = json.loads(message.data)
                if found.get("type") == "alert" and found.get("event") == "raised":
                    self.heard.setdefault(found["alert"]["machine"], time.monotonic())

    async def _probe(self, session: aiohttp.ClientSession, probe: Probe) -> None:
        self.reported.pop(probe.machine)
        await asyncio.sleep(_CLEAR_S)
        probe.sent_at, probe.sent_epoch_s = time.monotonic(), time.time()
        await self._post(session, {"machine": probe.machine, "metrics": {"vibration": 2 * LIMIT}})
        probe.acknowledged_s = time.monotonic() - probe.sent_at
        self.reported[probe.machine] = 2 * LIMIT
        end = probe.sent_at + _PATIENCE_S
        while probe.machine not in self.heard and time.monotonic() < end:  # noqa: ASYNC110  # never may be the answer
            await asyncio.sleep(0.002)
        probe.socket_s = self.heard.get(probe.machine, float("nan")) - probe.sent_at
        headers = {"Host": self._host, "Cookie": self._cookie, "HX-Request": "true"}
        async with session.get(f"{self._base}/alerts/banner", headers=headers) as answer:
            await answer.read()
        probe.banner_s = time.monotonic() - probe.sent_at
        while probe.machine not in self._mailbox.taken and time.monotonic() < end:  # noqa: ASYNC110  # another thread
            await asyncio.sleep(0.005)
        probe.mail_s = self._mailbox.taken.get(probe.machine, float("nan")) - probe.sent_at


class Trial(FactoryPulse):
    """The product, with what a browser and a device need to know of it."""

    def path(self, mailbox: Mailbox) -> AlertPath:
        """How to reach it."""
        host = f"{FACTORY}.localhost:{self._port}"
        return AlertPath(f"http://127.0.0.1:{self._port}", host, self.mqtt.password, self._cookie, mailbox)

    def noted(self, probes: list[Probe]) -> None:
        """Fill in what the product itself has written down about each probe."""
        from anomalies.models import Alert
        from tenants.context import factory_context

        with factory_context(FACTORY):
            raised = dict(Alert.objects.filter(cause__startswith="rule:").values_list("machine__key", "raised_at"))
        hurried = _hurried(self._state / "logs" / "drain.log")
        for probe in probes:
            if probe.machine in raised:
                probe.raised_s = raised[probe.machine].timestamp() - probe.sent_epoch_s
            if probe.machine in hurried:
                probe.stored_s, probe.evaluated_s = (part / 1000 for part in hurried[probe.machine])

    def rule_make(self, machines: list[str], *, metric: str, above: float) -> None:
        """One rule for the machines, without a delay."""
        from anomalies.models import Rule
        from tenants.context import factory_context

        when = {"all": [{"metric": metric, "op": "above", "value": above}]}
        with factory_context(FACTORY):
            Rule.objects.create(name="Probes", machines=machines, when=when)


def _hurried(log: Path) -> dict[str, tuple[float, float]]:
    """By machine, from the drain's log: milliseconds from a reading's arrival to its storage, and of its evaluation."""
    found: dict[str, tuple[float, float]] = {}
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        line = re.sub(r"\x1b\[[0-9;]*m", "", text)
        stored, took = re.search(r"stored_ms=(\d+)", line), re.search(r"took_ms=(\d+)", line)
        if "rules_hurried" in line and stored and took:
            for machine in re.findall(r"PROBE\d+", line):
                found.setdefault(machine, (float(stored[1]), float(took[1])))
    return found


def main() -> int:
    """Run it, print the table and keep the figures; PROBES in the environment says how many alerts."""
    port, mailbox = free_port(), Mailbox()
    os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
    for chatty in ("mail.log", "axes"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    folder = Path(tempfile.mkdtemp(prefix="alert-path-"))
    # As root, PostgreSQL runs under an account of its own and passes through.
    folder.chmod(0o711)
    trial = Trial(folder, store="postgres")
    probes = [Probe(f"PROBE{number:03}") for number in range(int(os.environ.get("PROBES", "20")))]
    try:
        trial.start()
        path = trial.path(mailbox)
        machines = [probe.machine for probe in probes]
        asyncio.run(path.warm(machines))
        trial.rule_make(machines, metric="vibration", above=LIMIT)
        begun = time.monotonic()
        asyncio.run(path.run(probes))
        rate = path.posted / (time.monotonic() - begun)
        trial.noted(probes)
    finally:
        trial.stop()
        controller.stop()
    figures = {"readings_per_s": round(rate), "load_1min": os.getloadavg()[0], "ms": _figures(probes)}
    _show(figures)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "alert_path.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def _figures(probes: list[Probe]) -> dict[str, dict[str, float]]:
    """Milliseconds from sending the reading, by what had happened; `missing` counts what never did."""
    steps = {
        "acknowledged (on disk)": [probe.acknowledged_s for probe in probes],
        "of this: from the drain's look at it to the store": [probe.stored_s for probe in probes],
        "of this: the hurried evaluation": [probe.evaluated_s for probe in probes],
        "alert written": [probe.raised_s for probe in probes],
        "told by the socket": [probe.socket_s for probe in probes],
        "banner fetched": [probe.banner_s for probe in probes],
        "taken by the mail server": [probe.mail_s for probe in probes],
    }
    found = {}
    for step, seconds in steps.items():
        known = 1000 * np.array([value for value in seconds if value == value])
        quantiles = {
            f"p{q}": round(float(np.percentile(known, q)), 1) if len(known) else float("nan") for q in (50, 99)
        }
        found[step] = {**quantiles, "missing": len(seconds) - len(known)}
    return found


def _show(figures: dict[str, Any]) -> None:
    rate, busy = figures["readings_per_s"], figures["load_1min"]
    print(f"{rate} readings/s over HTTP, acknowledged when on disk; load average of the machine {busy:.1f}")
    print("| from sending the reading until | p50 ms | p99 ms | missing |\n|---|---|---|---|")
    for step, found in figures["ms"].items():
        print(f"| {step} | {found['p50']:.0f} | {found['p99']:.0f} | {found['missing']} |")


if __name__ == "__main__":
    sys.exit(main())
