"""Back-tests in the worker: a few seconds a call, then to the end of the queue again."""

import structlog
from celery import shared_task
from django.db import transaction

from anomalies.detector_challenge import challenge_decide
from anomalies.detector_late import late_tell
from anomalies.detector_replays import replay_step, replays_lost, replays_undecided
from anomalies.models import Replay
from telemetry.store.base import StoreUnavailableError
from tenants.context import factory_current
from tenants.tasks import FactoryTask

_log = structlog.get_logger(__name__)
_STORE_AWAY_S = 30.0


@shared_task(bind=True, base=FactoryTask)
def replay_advance(self: FactoryTask, replay_id: int) -> str:
    """One step of a back-test; its state, empty where it is over or in other hands."""
    try:
        replay = replay_step(replay_id)
    except StoreUnavailableError as error:
        _log.warning("replay_waits_for_store", factory=self.factory.slug, replay=replay_id, error=str(error))
        replay_advance.apply_async(
            args=(replay_id,), kwargs={"factory_slug": self.factory.slug}, countdown=_STORE_AWAY_S
        )
        return str(Replay.State.WAITING)
    if replay is None:
        return ""
    if replay.under_way:
        replay_advance.for_factory(self.factory.slug, replay_id)
    elif replay.state == Replay.State.DONE:
        _conclude(replay)
    return str(replay.state)


def _conclude(replay: Replay) -> None:
    """What follows from a run that is over, by what it was for."""
    if replay.occasion == Replay.Occasion.CHALLENGE:
        challenge_decide(replay)
    elif replay.occasion == Replay.Occasion.LATE:
        late_tell(replay)


def replay_enqueue(replay: Replay) -> None:
    """Have a worker begin with a back-test, as soon as it is committed."""
    factory = factory_current()
    if factory is not None:
        slug = factory.slug
        transaction.on_commit(lambda: replay_advance.for_factory(slug, replay.pk))


def replays_resume(slug: str) -> int:
    """Enqueue a factory's back-tests that nobody has in hand; their number."""
    lost = replays_lost()
    for replay_id in lost:
        replay_advance.for_factory(slug, replay_id)
    # One that was run to its end by a worker that was killed before it decided.
    for replay in replays_undecided():
        _conclude(replay)
    return len(lost)
