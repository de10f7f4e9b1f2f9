"""What SECRET_KEY seals in a factory, sealed anew: after another secret, and in a factory that came from an archive."""

from typing import Any

import structlog
from django.db import transaction
from django.dispatch import receiver

from accounts.audit import audit_record
from anomalies.detection.registry import models_seal_anew
from anomalies.notify.targets import targets_seal_anew
from tenants.archive import factory_restored
from tenants.context import factory_context
from tenants.models import Factory

_log = structlog.get_logger(__name__)


def factory_reseal(factory: Factory) -> list[str]:
    """Seal by the SECRET_KEY of now what that, or one of SECRET_KEY_FALLBACKS, has sealed; all of it or nothing.

    Returns what neither had sealed, by name: detectors are taught again, and a target's address is entered again.
    """
    with factory_context(factory), transaction.atomic():
        left = [*models_seal_anew(), *targets_seal_anew()]
        audit_record(actor="operator", action="secrets.reseal", left=left)
    return left


@receiver(factory_restored, dispatch_uid="anomalies.resealing")
def restored(*, factory: Factory, **_signal: Any) -> None:
    """A seal names the schema that it was made in, which is another one here, perhaps with another secret."""
    models_seal_anew(vouched=True)
    if left := targets_seal_anew():
        _log.warning("targets_not_restored", factory=factory.slug, targets=left)
