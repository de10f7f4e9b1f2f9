"""Errands: what a person asks for and a worker brings, because it takes longer than a second.

How far one is shows on each of that person's pages, after a reload too, until it is put away or its day is over. The
rooms that know how to make something leave word of it in `errand_kinds`.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any

import structlog
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from accounts.jobs import (
    IN_THE_MAKING,
    JobGoneError,
    JobState,
    Tell,
    job_claim,
    job_put_back,
    job_teller,
    jobs_stuck,
)
from accounts.models import Errand, User
from accounts.reach import reach_bound, reach_of
from common import clock
from common.errors import DomainError, LimitReachedError, NotFoundError
from tenants.archive import EXPORTS
from tenants.models import Factory

_log = structlog.get_logger(__name__)
KEPT = timedelta(hours=24)
UNDER_WAY_MOST = 3


class ErrandNotFoundError(NotFoundError):
    """No errand of that id was asked for by this person."""

    code = "errand_not_found"


class ErrandsTooManyError(LimitReachedError):
    """So many of this person's are under way already."""

    code = "errands_under_way"


@dataclass(frozen=True, slots=True)
class Made:
    """What a maker brings. answer: for a page, as JSON. file: to be fetched under the name, read from its beginning."""

    answer: dict[str, Any] = field(default_factory=dict)
    file: IO[bytes] | None = None
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class ErrandKind:
    """Who makes errands of a kind, what is said of one that is ready, and where its answer stands (empty: nowhere).

    make: called in the worker, with its person's reach and language; a DomainError below 500 tells them what is wrong.
    """

    make: Callable[[Errand, Tell], Made]
    said: Callable[[Errand], str] = lambda _errand: ""
    href: Callable[[Errand], str] = lambda _errand: ""


errand_kinds: dict[str, ErrandKind] = {}


def errand_ask(*, actor: User, factory: Factory, kind: str, title: str, asked: dict[str, Any]) -> Errand:
    """Have a worker make something. Raises ErrandsTooManyError."""
    from accounts.tasks import make_errand  # it calls back here

    if errands_of(actor).filter(state__in=IN_THE_MAKING).count() >= UNDER_WAY_MOST:
        raise ErrandsTooManyError(_("Several things are being made for you already. Wait for one of them."))
    with transaction.atomic():
        asked = {**asked, "language": get_language()}
        errand = Errand.objects.create(kind=kind, asked_by=actor, title=title[:200], asked=asked)
        transaction.on_commit(partial(make_errand.for_factory, factory.slug, errand.pk))
    return errand


def errands_of(person: User) -> QuerySet[Errand]:
    """What somebody asked for and has not put away, the newest first."""
    return Errand.objects.filter(asked_by=person, created_at__gt=clock.now() - KEPT)


def errand_get(errand_id: int, *, person: User) -> Errand:
    """Raises ErrandNotFoundError."""
    found = errands_of(person).filter(pk=errand_id).first()
    if found is None:
        raise ErrandNotFoundError(_("This is not there any more: such things are kept for a day."))
    return found


def errand_open(errand: Errand) -> IO[bytes]:
    """The file that it brought. Raises ErrandNotFoundError."""
    if errand.state != JobState.READY or not errand.path or not default_storage.exists(errand.path):
        raise ErrandNotFoundError(_("This is not there any more: such things are kept for a day."))
    file: Any = default_storage.open(errand.path, "rb")
    return file  # type: ignore[no-any-return]  # Django's File reads as one


def errand_put_away(errand: Errand) -> None:
    """Stop it, or forget it with its file."""
    Errand.objects.filter(pk=errand.pk).delete()
    if errand.path:
        default_storage.delete(errand.path)


def errand_make(errand_id: int, *, factory: Factory) -> bool:
    """Make one, unless another worker does or did; whether this call finished it."""
    errand = job_claim(Errand, errand_id)
    if errand is None:
        return False
    try:
        return _make(errand, factory)
    except JobGoneError:
        _log.info("errand_put_away", errand=errand_id)
    except DomainError as error:
        job_put_back(errand, error.detail, again=error.status >= 500)
    except Exception as error:  # noqa: BLE001  # a task's edge: its person hears that it came to nothing
        _log.exception("errand_failed", factory=factory.slug, errand=errand_id, kind=errand.kind)
        job_put_back(errand, error.__class__.__name__)
    return False


def errands_tend(now: datetime | None = None) -> list[int]:
    """Put away what is older than a day; the ids of those that wait for a worker who is gone, to be enqueued again."""
    now = now or clock.now()
    for errand in Errand.objects.filter(created_at__lte=now - KEPT):
        errand_put_away(errand)
    return jobs_stuck(Errand, now)


def _make(errand: Errand, factory: Factory) -> bool:
    person = errand.asked_by
    if person is None or not person.is_active:
        errand_put_away(errand)
        return False
    with reach_bound(reach_of(person)), override(errand.asked.get("language")):
        made = errand_kinds[errand.kind].make(errand, job_teller(errand, apart=True))
    path = "" if made.file is None else _kept(made.file, errand, factory)
    done = Errand.objects.filter(pk=errand.pk, state=JobState.RUNNING).update(
        state=JobState.READY,
        share=1.0,
        finished_at=clock.now(),
        answer=made.answer,
        file_name=made.file_name[:120],
        path=path,
        size_bytes=default_storage.size(path) if path else 0,
    )
    if not done and path:
        default_storage.delete(path)
    return bool(done)


def _kept(file: IO[bytes], errand: Errand, factory: Factory) -> str:
    with file:
        file.seek(0)
        # A name that nobody guesses, though the storage is served by nobody but our own view.
        name = f"{factory.slug}/{EXPORTS}/errand-{errand.pk}-{secrets.token_urlsafe(16)}"
        return str(default_storage.save(name, File(file)))
