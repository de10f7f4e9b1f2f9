"""Machines, evaluated: their limits and their detectors over what is new."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from anomalies.detection.registry import models_active
from anomalies.detector_late import late_notice
from anomalies.detector_watch import detectors_watch
from anomalies.health import health_learning, health_publish
from anomalies.models import HealthStatus, MachineHealth
from anomalies.rules.watch import rules_watch
from telemetry.models import Machine


def machines_evaluate(machines: Iterable[Machine]) -> int:
    """Evaluate machines: the rules of all together, then their detectors. The number whose rules were looked at.

    A machine that another worker has in hand just now is left to it. Raises StoreUnavailableError, after which another
    run begins where this one stood.
    """
    machines = list(machines)
    models = models_active(machines)
    taught = [machine for machine in machines if machine.pk in models]
    # Before rules look at what came late, after which nobody knows of it any more.
    late_notice(taught, models)
    done = rules_watch(machines)
    _learning_mark([machine for machine in machines if machine.pk not in models])
    detectors_watch(taught, models)
    return done


def _learning_mark(machines: Sequence[Machine]) -> None:
    """What has no detector is learning; one that another worker has in hand is left to it."""
    by_id = {machine.pk: machine for machine in machines}
    with transaction.atomic():
        rows = MachineHealth.objects.select_for_update(skip_locked=True).filter(machine__in=machines)
        for health in rows.exclude(status=HealthStatus.LEARNING).order_by("machine_id"):
            health_learning(health)
            health_publish(by_id[health.machine_id], health)
            health.save()
