"""Jobs: what takes longer than a second. A worker does it, its row says how far it came, and a reload loses nothing.

A kind of job is a model that inherits `Job`. One UPDATE decides between two workers; what a killed worker or an emptied
broker left behind is found by `jobs_stuck` and given out again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from django.db import connection, models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from common import clock
from tenants.context import factory_context, factory_current

ATTEMPTS_MOST = 3
# A worker that says nothing for so long was killed; a queued task that nobody took was lost with the broker.
_SILENT_TOO_LONG = timedelta(minutes=15)
_QUEUED_TOO_LONG = timedelta(minutes=2)
# What a person sees moves once a second; more writing would only cost.
_TELL_EVERY_S = 1.0


class JobState(models.TextChoices):
    """How far a job came."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Being made")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


IN_THE_MAKING = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """Something that a worker makes. share: 0 to 1, None while nobody can say; told_at: the last sign of life."""

    state = models.CharField(_("state"), max_length=10, choices=JobState, default=JobState.QUEUED)
    share = models.FloatField(_("done"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("requested"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        abstract = True
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]

    @property
    def in_the_making(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in IN_THE_MAKING


@dataclass(frozen=True, slots=True)
class JobShown:
    """Something in the making as pages show it (`components/job.html`).

    state: a JobState or "expired", word: the same for people. share: 0 to 1, None while nobody can say. href: where
    to take what was made, once it is ready.
    """

    state: str
    word: str
    title: str = ""
    share: float | None = None
    detail: str = ""
    note: str = ""
    href: str = ""
    link: str = ""
    download: bool = False


class JobGoneError(Exception):
    """The row of a job that is being made was removed: whoever asked for it wants it no more."""


JobT = TypeVar("JobT", bound=Job)
Tell = Callable[[float | None], None]


def job_claim(model: type[JobT], pk: int) -> JobT | None:
    """The job, for this worker alone; None when another has it or had it."""
    now = clock.now()
    free = Q(state=JobState.QUEUED) | _lost(now)
    claimed = model._default_manager.filter(free, pk=pk).update(
        state=JobState.RUNNING, share=None, started_at=now, told_at=now, attempts=F("attempts") + 1, error=""
    )
    return model._default_manager.get(pk=pk) if claimed else None


def job_teller(job: Job, *, apart: bool = False) -> Tell:
    """A function for the maker to say how far it is (0 to 1, or None); it writes once a second at most.

    apart: for a maker that works within a transaction, where nobody would see it: by a connection of its own while
    that lasts. The function raises JobGoneError.
    """
    written_s = clock.monotonic_s()

    def tell(share: float | None) -> None:
        nonlocal written_s
        if clock.monotonic_s() - written_s < _TELL_EVERY_S:
            return
        written_s = clock.monotonic_s()
        if not (_written_apart if apart and connection.in_atomic_block else _written)(job, share):
            raise JobGoneError

    return tell


def _written(job: Job, share: float | None) -> int:
    return type(job)._default_manager.filter(pk=job.pk).update(share=share, told_at=clock.now())


def _written_apart(job: Job, share: float | None) -> int:
    factory = factory_current()
    if factory is None:
        raise RuntimeError("a job is made in a factory, and this is none")

    def write() -> int:
        try:
            with factory_context(factory):
                return _written(job, share)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(write).result()


def job_put_back(job: Job, reason: str, *, again: bool = True) -> None:
    """Back into the queue for another attempt (see `jobs_stuck`), or failed for good: after the last, or not again."""
    failed = not again or job.attempts >= ATTEMPTS_MOST
    type(job)._default_manager.filter(pk=job.pk).update(
        state=JobState.FAILED if failed else JobState.QUEUED,
        share=None,
        finished_at=clock.now() if failed else None,
        error=reason[:300],
    )


def jobs_stuck(model: type[Job], now: datetime) -> list[int]:
    """Jobs that wait for a task that never came or was killed."""
    waiting = Q(state=JobState.QUEUED) & (
        Q(started_at__isnull=True, created_at__lt=now - _QUEUED_TOO_LONG) | Q(started_at__lt=now - _QUEUED_TOO_LONG)
    )
    return list(model._default_manager.filter(_lost(now) | waiting).values_list("pk", flat=True))


def _lost(now: datetime) -> Q:
    silent = Q(told_at__lt=now - _SILENT_TOO_LONG) | Q(told_at__isnull=True, started_at__lt=now - _SILENT_TOO_LONG)
    return Q(state=JobState.RUNNING) & silent
