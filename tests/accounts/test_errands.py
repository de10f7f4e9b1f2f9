"""What takes longer than a second is brought by a worker: asked for, watched after a reload, fetched, put away."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction

from accounts import audit_pages, errands, jobs
from accounts.audit import audit_record
from accounts.errands import ErrandKind, Made, errand_ask, errand_kinds, errand_make, errands_tend
from accounts.jobs import JobState, Tell
from accounts.models import Errand, User
from accounts.reach import Reach, reach_current
from accounts.tasks import make_errand
from common import clock
from common.errors import InvalidInputError
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make

ClientFor = Callable[..., FactoryClient]
Brings = Callable[[Errand, Tell], Made]


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Brings], None]]:
    """Says who makes errands of the kind "test"; the test is the worker."""
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)

    def made_by(brings: Brings) -> None:
        monkeypatch.setitem(errand_kinds, "test", ErrandKind(make=brings, said=lambda _errand: "well done"))

    return made_by


def _ask(actor: User, factory: Factory) -> Errand:
    return errand_ask(actor=actor, factory=factory, kind="test", title="A long thing", asked={})


def test_a_file_is_brought_shown_on_every_page_fetched_and_put_away(
    in_acme: Factory, viewer: User, operator: User, client_for: ClientFor, kind: Callable[[Brings], None]
) -> None:
    kind(lambda _errand, _tell: Made(file=io.BytesIO(b"a,b\r\n"), file_name="things.csv"))
    errand = _ask(viewer, in_acme)
    browser, other = client_for(viewer), client_for(operator)
    waiting = browser.get("/errands", headers={"HX-Request": "true"}).content.decode()
    assert "A long thing" in waiting
    assert 'hx-trigger="poll"' in waiting
    assert errand_make(errand.pk, factory=in_acme)
    assert not errand_make(errand.pk, factory=in_acme), "told twice, made once"
    path = f"/errands/{errand.pk}/file"
    ready = browser.get("/errands").content.decode()
    assert path in ready
    assert "well done" in ready
    answer = browser.get(path)
    assert b"".join(answer.streaming_content) == b"a,b\r\n"
    assert "things.csv" in answer["Content-Disposition"]
    assert other.get(path).status_code == 404
    assert other.post(f"/errands/{errand.pk}/remove").status_code == 404
    with factory_context(in_acme):
        stored = Errand.objects.get().path
    assert browser.post(f"/errands/{errand.pk}/remove").status_code == 302
    assert not default_storage.exists(stored)
    assert browser.get(path).status_code == 404


def test_the_maker_is_bound_to_what_its_person_sees(
    in_acme: Factory, viewer: User, kind: Callable[[Brings], None]
) -> None:
    seen: list[Any] = []

    def look(_errand: Errand, _tell: Tell) -> Made:
        seen.append(reach_current())
        return Made()

    kind(look)
    User.objects.filter(pk=viewer.pk).update(reach={"sites": [7], "lines": []})
    errand_make(_ask(viewer, in_acme).pk, factory=in_acme)
    assert seen == [Reach(sites=frozenset({7}))]
    assert reach_current() is None
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert not errand_make(_ask(viewer, in_acme).pk, factory=in_acme)
    assert len(seen) == 1


def test_what_is_wrong_is_told_at_once_and_what_breaks_is_tried_again(
    in_acme: Factory, viewer: User, client_for: ClientFor, kind: Callable[[Brings], None]
) -> None:
    def refuse(_errand: Errand, _tell: Tell) -> Made:
        raise InvalidInputError("These machines are gone.")

    kind(refuse)
    errand_make(_ask(viewer, in_acme).pk, factory=in_acme)
    assert "These machines are gone." in client_for(viewer).get("/errands").content.decode()

    def break_(_errand: Errand, _tell: Tell) -> Made:
        raise OSError("disk")

    kind(break_)
    with factory_context(in_acme):
        errand = _ask(viewer, in_acme)
        for _attempt in range(jobs.ATTEMPTS_MOST):
            assert Errand.objects.get(pk=errand.pk).state == JobState.QUEUED
            errand_make(errand.pk, factory=in_acme)
        assert Errand.objects.get(pk=errand.pk).state == JobState.FAILED


def test_nobody_asks_for_more_than_a_few_at_once(
    in_acme: Factory, viewer: User, kind: Callable[[Brings], None]
) -> None:
    kind(lambda _errand, _tell: Made())
    for _number in range(errands.UNDER_WAY_MOST):
        _ask(viewer, in_acme)
    with pytest.raises(errands.ErrandsTooManyError):
        _ask(viewer, in_acme)


def test_a_day_later_the_file_is_gone_and_what_a_killed_worker_left_is_taken_up(
    in_acme: Factory, viewer: User, kind: Callable[[Brings], None]
) -> None:
    kind(lambda _errand, _tell: Made(file=io.BytesIO(b"x"), file_name="x"))
    old, lost = _ask(viewer, in_acme), _ask(viewer, in_acme)
    errand_make(old.pk, factory=in_acme)
    path = Errand.objects.get(pk=old.pk).path
    long_ago = clock.now() - timedelta(minutes=20)
    Errand.objects.filter(pk=lost.pk).update(state=JobState.RUNNING, started_at=long_ago, told_at=long_ago)
    assert errands_tend() == [lost.pk]
    Errand.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=1, minutes=1))
    assert errands_tend() == [lost.pk]
    assert not default_storage.exists(path)


def test_others_see_how_far_it_is_while_its_maker_is_in_a_transaction_and_putting_it_away_stops_it(
    live_factory: Factory, kind: Callable[[Brings], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_TELL_EVERY_S", 0.0)
    shares: list[float | None] = []

    def told(errand: Errand, tell: Tell) -> Made:
        with transaction.atomic():
            tell(0.25)
            shares.append(Errand.objects.get(pk=errand.pk).share)
            tell(0.5)
            shares.append(Errand.objects.get(pk=errand.pk).share)
        Errand.objects.filter(pk=errand.pk).delete()
        with pytest.raises(jobs.JobGoneError):
            tell(0.75)
        raise jobs.JobGoneError

    kind(told)
    viewer = person_make(live_factory, "v@live.example", "viewer")
    with factory_context(live_factory):
        errand = _ask(viewer, live_factory)
        assert not errand_make(errand.pk, factory=live_factory)
    assert shares == [0.25, 0.5]


def test_pages_of_whoever_has_asked_for_nothing_ask_nothing(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    page = client_for(viewer).get("/account").content.decode()
    assert 'id="errands"' not in page


def test_a_long_audit_trail_is_written_by_a_worker_for_whoever_may_still_read_it(
    in_acme: Factory, owner: User, client_for: ClientFor, kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_pages, "AT_ONCE", 2)
    for number in range(4):
        audit_record(actor=owner, action="thing.made", target=f"thing {number}")
    browser = client_for(owner)
    assert browser.get("/audit/export?action=thing.&target=3").streaming is False, "a short one comes at once"
    answer = browser.get("/audit/export?action=thing.")
    assert (answer.status_code, answer["Location"]) == (302, "/errands")
    audit_record(actor=owner, action="thing.made", target="thing too late")
    errand = Errand.objects.get(kind="audit_csv")
    assert errand_make(errand.pk, factory=in_acme)
    written = b"".join(browser.get(f"/errands/{errand.pk}/file").streaming_content).decode()
    assert [line.split(",")[3] for line in written.splitlines()[1:]] == [f"thing {number}" for number in range(4)]

    browser.get("/audit/export?action=thing.")
    User.objects.filter(pk=owner.pk).update(role="viewer")
    errand = Errand.objects.filter(kind="audit_csv").latest("pk")
    assert not errand_make(errand.pk, factory=in_acme)
    errand.refresh_from_db()
    assert "role does not allow" in errand.error
