"""The whole simulator: eight devices going live at once, and the history before them."""

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from common.clock import now_ms
from factorypulse.dev.plant import bodies
from factorypulse.dev.plant.backfill import BackfillPlan, run_backfill
from factorypulse.dev.plant.config import PlantConfig
from factorypulse.dev.plant.devices import Body, Device
from factorypulse.dev.plant.doors import Door, HttpDoor, MqttDoor
from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.faults import FAULTS
from factorypulse.dev.plant.line import PlantMachine, food_line
from factorypulse.dev.plant.progress import Progress

log = logging.getLogger("plant")

_SAVE_EVERY_S = 5.0
_TELL_EVERY_S = 60.0
# Each device of a plant speaks its own dialect of the ingest bodies.
_DIALECTS: dict[str, Body] = {"M02-oven": bodies.flat, "M03-filler": bodies.listed, "M04-conveyor": bodies.column_block}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What may differ from run to run. healthy_s: None for a pump whose bearing stays well."""

    seed: int = 7
    healthy_s: float | None = 240.0
    # Faults beside the bearing, by name, and the seconds after which they begin.
    faults: tuple[tuple[str, float], ...] = ()
    backfill: BackfillPlan | None = field(default_factory=BackfillPlan)


def run_plant(config: PlantConfig, *, state_file: Path, stop: threading.Event, options: RunOptions) -> None:
    """Post live readings and missing history until `stop` is set."""
    start_ms = now_ms()
    fault = None if options.healthy_s is None else FaultSchedule(start_ms / 1000, healthy_s=options.healthy_s)
    faults = [FAULTS[name](start_ms / 1000 + after_s) for name, after_s in options.faults]
    machines = food_line(seed=options.seed, fault=fault, faults=faults)
    progress = Progress(state_file, factory=config.factory)
    devices = [_device(machine, config, progress, start_ms=start_ms, stop=stop) for machine in machines]
    log.info(
        "%s machines report to %s and mqtt://%s:%s", len(machines), config.http_url, config.mqtt_host, config.mqtt_port
    )
    for device in devices:
        device.start()
    if options.backfill is not None:
        _start_backfill(machines, config, progress, plan=options.backfill, start_ms=start_ms, stop=stop)
    _watch(devices, progress, fault=fault, stop=stop)
    progress.save()
    log.info("stopped")


def _device(
    machine: PlantMachine, config: PlantConfig, progress: Progress, *, start_ms: int, stop: threading.Event
) -> Device:
    door: Door = HttpDoor(config)
    if machine.door == "mqtt":
        door = MqttDoor(config, machine.key, version=machine.mqtt_version)
    body = _DIALECTS.get(machine.key, bodies.single)
    return Device(machine, door, progress, start_ms=start_ms, stop=stop, body=body)


def _start_backfill(
    machines: list[PlantMachine],
    config: PlantConfig,
    progress: Progress,
    *,
    plan: BackfillPlan,
    start_ms: int,
    stop: threading.Event,
) -> None:
    def work() -> None:
        began_s = time.monotonic()
        # The machine that will fail first: its detector must have learnt before.
        ordered = sorted(machines, key=lambda machine: machine.fast_metric is None)
        total = run_backfill(ordered, HttpDoor(config), progress, plan=plan, start_ms=start_ms, stop=stop)
        if not stop.is_set():
            log.info("backfill: done, %s readings in %.0f s", f"{total:,}", time.monotonic() - began_s)

    threading.Thread(target=work, name="backfill", daemon=True).start()


def _watch(devices: list[Device], progress: Progress, *, fault: FaultSchedule | None, stop: threading.Event) -> None:
    phase, told_s, told_posted = "healthy", time.monotonic(), 0
    while not stop.wait(_SAVE_EVERY_S):
        progress.save()
        phase = _tell_phase(fault, phase)
        now_s, posted = time.monotonic(), sum(device.posted for device in devices)
        if now_s - told_s >= _TELL_EVERY_S:
            refused = sum(device.refused for device in devices)
            log.info("live: %.0f readings/s, %s refused so far", (posted - told_posted) / (now_s - told_s), refused)
            told_s, told_posted = now_s, posted


def _tell_phase(fault: FaultSchedule | None, before: str) -> str:
    phase = "healthy" if fault is None else fault.phase(now_ms() / 1000)
    if phase != before:
        told = {"degrading": "begins to fail", "bad": "is bad", "healthy": "was replaced"}[phase]
        log.info("the bearing of M07-pump %s", told)
    return phase
