"""What Celery runs here: each beat entry fans out to the factories, each factory's task runs inside its own."""

from collections.abc import Mapping
from datetime import timedelta
from threading import Thread
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_process_init, worker_ready
from django.core.cache import cache
from django.db.models import Max

from anomalies.alerts.tending import alerts_tend
from anomalies.detection.levels import level_accepted_ms
from anomalies.detection.metric_roles import machines_judged
from anomalies.detection.registry import ActiveModel, model_newest, models_active
from anomalies.detection.steering import limits_steer
from anomalies.detection.train import machine_learn, progress_measure, training_due
from anomalies.detection.versions import teaching_ask, teaching_done
from anomalies.detector_challenge import challenge_begin
from anomalies.detector_tasks import replay_advance, replays_resume
from anomalies.health import health_publish
from anomalies.models import MachineHealth
from anomalies.notify import outbox
from anomalies.notify.charts import charts_warm
from anomalies.notify.escalating import escalations_advance
from anomalies.receivers import evaluation_begins, evaluation_took
from anomalies.silence import silence_watch
from anomalies.watch import machines_evaluate
from common import clock
from common.times import to_ms
from telemetry.equipment import machine_state
from telemetry.history.spans import machine_zone
from telemetry.models import Machine
from telemetry.store.base import StoreUnavailableError
from tenants.context import factory_current
from tenants.tasks import FactoryTask, for_each_factory

_log = structlog.get_logger(__name__)

# A machine is taught by one worker at a time; if that one is killed, another begins after this long.
_TEACHING_S = 120
# Readings of machines that were heard this lately are looked at by the sweep, too.
_SWEEP_S = 60
_LEARNING_AT_ONCE = 25
_TRAIN_DUE_EVERY_S = 15.0
# Verdicts come by the day: limits need not follow faster.
_STEER_EVERY_S = 3_600
# Hours of the plant's clock in which grown detectors are taught again.
_NIGHT = range(5)


@worker_process_init.connect
@worker_ready.connect
def _pencils_sharpen(**_signal: Any) -> None:
    """The first drawing of a process takes most of a second: not that of somebody who waits for a mail."""
    Thread(target=charts_warm, name="charts-warm", daemon=True).start()


class EvaluateTask(FactoryTask):
    """A factory's task that may also be enqueued for a little later."""

    abstract = True

    def for_factory_in(self, slug: str, delay_s: float) -> Any:
        """Enqueue for one factory, to run after `delay_s` seconds."""
        return self.apply_async(kwargs={"factory_slug": slug}, countdown=delay_s)


@shared_task(bind=True, base=EvaluateTask)
def evaluate(self: EvaluateTask) -> int:
    """Carry rules and detectors of one factory over what has been stored since; the number of machines looked at."""
    evaluation_begins()
    begun = clock.monotonic_s()
    try:
        return machines_evaluate(_machines_heard())
    except StoreUnavailableError as error:
        # Nothing is lost: the next run begins where this one stood.
        _log.warning("evaluation_waits_for_store", factory=self.factory.slug, error=str(error))
        return 0
    finally:
        evaluation_took(clock.monotonic_s() - begun)


@shared_task
def train_due() -> int:
    """Beat: have every factory look which of its machines should be taught."""
    return for_each_factory(train_factory)


@shared_task(bind=True, base=FactoryTask)
def train_factory(self: FactoryTask) -> int:
    """Measure learning progress and enqueue the trainings that are due; their number."""
    heard = _machines_heard()
    judged = machines_judged(heard)
    machines = [machine for machine in heard if machine.pk in judged]
    models = models_active(machines)
    enqueued = 0
    if cache.add("limits-steered", 1, timeout=_STEER_EVERY_S):
        limits_steer([machine for machine in machines if machine.pk in models])
    replays_resume(self.factory.slug)
    try:
        for machine in _turn_of(machines, models):
            newest_ms = _newest_ms(machine)
            if newest_ms is None or not _should_learn(machine, models.get(machine.pk), newest_ms):
                continue
            # An optimisation only: two trainings at once would end in one version.
            if cache.add(f"teaching.{machine.pk}", 1, timeout=_TEACHING_S):
                train_machine.for_factory(self.factory.slug, machine.pk)
                enqueued += 1
    except StoreUnavailableError as error:
        _log.warning("training_waits_for_store", factory=self.factory.slug, error=str(error))
    return enqueued


@shared_task(bind=True, base=FactoryTask)
def train_machine(self: FactoryTask, machine_id: int) -> bool:
    """Teach one machine's detector; False when it could not be taught now."""
    machine = Machine.objects.filter(pk=machine_id).prefetch_related("metrics").first()
    newest_ms = _newest_ms(machine) if machine else None
    if machine is None or newest_ms is None:
        teaching_done(machine_id, taught=False)
        return False
    taught = False
    try:
        version = machine_learn(machine, newest_ms=newest_ms)
        taught = version is not None
        comparison = challenge_begin(machine, version) if version is not None and not version.active else None
        if comparison is not None:
            replay_advance.for_factory(self.factory.slug, comparison.pk)
    except StoreUnavailableError as error:
        _log.warning("training_waits_for_store", factory=self.factory.slug, machine=machine.key, error=str(error))
    finally:
        teaching_done(machine.pk, taught=taught)
    return taught


def train_asked(machine: Machine, *, actor: Any) -> bool:
    """Have a worker teach the machine now because somebody asks; False where one is at it already."""
    factory = factory_current()
    if factory is None or not teaching_ask(machine, actor=actor):
        return False
    train_machine.for_factory(factory.slug, machine.pk)
    return True


@shared_task
def watch_silence() -> int:
    """Beat: have every factory look for silent machines, and for readings whose announcement was lost."""
    return for_each_factory(watch_factory)


@shared_task(bind=True, base=FactoryTask)
def watch_factory(self: FactoryTask) -> None:
    """One factory's silent machines, and a sweep over the others."""
    silence_watch(Machine.objects.select_related("line__site"))
    evaluate.for_factory(self.factory.slug)


@shared_task
def tend_alerts() -> int:
    """Beat: have every factory carry its alerts forward by the clock."""
    return for_each_factory(tend_factory_alerts)


@shared_task(bind=True, base=FactoryTask)
def tend_factory_alerts(self: FactoryTask) -> int:
    """End one factory's shelves, begin and end its maintenance, settle what chattered; the number of alerts changed."""
    changed = alerts_tend()
    if changed:
        _log.info("alerts_tended", factory=self.factory.slug, changed=changed)
    return changed


@shared_task
def drain_outbox() -> int:
    """Beat: have every factory send what waits in its outbox."""
    return for_each_factory(drain_factory_outbox)


@shared_task(bind=True, base=EvaluateTask)
def drain_factory_outbox(self: EvaluateTask) -> int:
    """Turn one factory's news into messages and send what is due; the number sent."""
    escalations_advance()
    sent = outbox.drain()
    if sent:
        _log.info("notifications_sent", factory=self.factory.slug, sent=sent)
    return sent


@shared_task
def trim_outbox() -> int:
    """Beat: have every factory forget messages of long ago."""
    return for_each_factory(trim_factory_outbox)


@shared_task(bind=True, base=FactoryTask)
def trim_factory_outbox(self: FactoryTask) -> int:
    """Forget one factory's messages of long ago; their number."""
    return outbox.outbox_trim()


def _machines_heard() -> list[Machine]:
    """Machines that report, without their metrics; one that has just appeared has no time of its own yet."""
    now = clock.now()
    machines = Machine.objects.select_related("line__site")
    return [
        machine
        for machine in machines
        if machine.last_seen_at is None
        or machine_state(machine, now) == "live"
        or now - machine.last_seen_at < timedelta(seconds=_SWEEP_S)
    ]


def _turn_of(machines: list[Machine], models: Mapping[int, ActiveModel]) -> list[Machine]:
    """Those to be looked at now: looking how much a machine has sent costs the store something, so a few at a time."""
    learning = [machine for machine in machines if machine.pk not in models]
    turns = max(1, -(-len(learning) // _LEARNING_AT_ONCE))
    turn = int(clock.now().timestamp() / _TRAIN_DUE_EVERY_S) % turns
    return [machine for machine in machines if machine.pk in models] + learning[turn::turns]


def _newest_ms(machine: Machine) -> int | None:
    newest = machine.metrics.aggregate(newest=Max("last_at"))["newest"]
    return None if newest is None else to_ms(newest)


def _at_night(machine: Machine) -> bool:
    return clock.now().astimezone(machine_zone(machine)).hour in _NIGHT


def _should_learn(machine: Machine, model: ActiveModel | None, newest_ms: int) -> bool:
    if model is not None:
        due: Mapping[str, Any] = {
            "newest_ms": newest_ms,
            "level_from_ms": level_accepted_ms(machine),
            "step_ms": model.step_ms,
            "at_night": _at_night(machine),
        }
        # A newcomer that does not judge, or not yet, was taught nonetheless: not again with every look.
        return training_due(model, **due) and training_due(model_newest(machine), **due)
    before = MachineHealth.objects.filter(machine=machine).values_list("learning_progress", flat=True).first()
    progress = progress_measure(machine, newest_ms=newest_ms)
    health = MachineHealth.objects.get(machine=machine)
    if before is None or abs(health.learning_progress - before) >= 0.01:
        health_publish(machine, health)
    return progress >= 1.0
