"""What the HTTP doors do alike: prove the key, read the body, keep what is good, and answer once it is on disk."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.api_keys import ScopeMissingError, require_address, require_factory, verify_key
from accounts.attempts import network_address
from accounts.models import Scope
from common import clock
from common.errors import DomainError, NotAuthenticatedError
from telemetry.ingest.admission import Admitted, RateLimitedError, admit, body_check, plan_learn, rate_check
from telemetry.ingest.bodies import Readable, body_read
from telemetry.ingest.columns import ParsedPayload
from telemetry.ingest.doors import readings_append, refusals_append, whole_refused
from telemetry.ingest.journal import Journal, JournalBusyError
from telemetry.ingest.key_machines import machines_check
from telemetry.ingest.plan_room import room_learn
from telemetry.ingest.refusals import PayloadError, excerpt, grouped, sayable
from tenants.context import factory_current

_COMMIT_WITHIN_S = 15.0
# A body of 10,000 bad values is told in the first of them; all are counted in quarantine.
_REJECTIONS_TOLD = 1_000


class MethodNotAllowedError(DomainError):
    """The door knows other methods than this."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405

    def __init__(self, *allowed: str) -> None:
        super().__init__(_("Use %(methods)s here.") % {"methods": ", ".join(allowed)})
        self.allow = ", ".join(allowed)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends readings: the slug of its factory, how quarantine names it, and the id of its request.

    machines: keys of the machines it may speak of; empty for all.
    """

    factory: str
    source: str
    request_id: str
    machines: frozenset[str] = frozenset()

    @classmethod
    def of(cls, request: HttpRequest, raw_key: str | None) -> "Sender":
        """Whoever proves itself by a key of this factory with the scope `ingest`, and by nothing else.

        Raises NotAuthenticatedError, KeyInvalidError, KeyOfOtherFactoryError, ScopeMissingError.
        """
        factory = factory_current()
        if factory is None or not raw_key:
            raise NotAuthenticatedError(_("Readings come with a key that has the scope “ingest”."))
        address = partial(network_address, request)
        verified = verify_key(raw_key, scope=None, address=address)
        require_factory(verified, factory.slug)
        require_address(verified, address)
        if Scope.INGEST not in verified.scopes:
            raise ScopeMissingError(_("This key lacks the scope “ingest”."))
        plan_learn(factory)
        room_learn(factory)
        request_id = str(getattr(request, "request_id", ""))
        return cls(factory.slug, f"HTTP {verified.prefix}", request_id, verified.machines)


def body_take(
    journal: Journal, sender: Sender, request: HttpRequest, *, check: Callable[[str], None] | None = None
) -> bytes:
    """The request's body, inflated, within the factory's rate and bounds; what is refused is counted in quarantine.

    check: refuses a content type. Raises PayloadError, RateLimitedError.
    """
    try:
        rate_check(sender.factory)
        if check is not None:
            check(request.META.get("CONTENT_TYPE", ""))
        length = request.META.get("CONTENT_LENGTH", "")
        body = body_read(
            _stream(request),
            length=int(length) if length.isdecimal() else 0,
            encoding=request.META.get("HTTP_CONTENT_ENCODING", ""),
        )
        body_check(sender.factory, len(body))
    except (PayloadError, RateLimitedError) as error:
        whole_refused(journal, sender.factory, error, source=sender.source)
        raise
    return body


def readings_take(journal: Journal, sender: Sender, body: bytes, parse: Callable[[bytes], ParsedPayload]) -> Admitted:
    """Keep the readings of a body; when this returns they are on disk, and what was refused is in quarantine.

    parse: the body's format. Raises PayloadError, JournalError.
    """
    try:
        parsed = machines_check(parse(body), sender.machines)
        admitted = admit(parsed, factory_slug=sender.factory, now_ms=clock.now_ms())
    except PayloadError as error:
        whole_refused(journal, sender.factory, error, source=sender.source, body=body)
        raise
    if admitted.rejected:
        refused = grouped(admitted.rejected, source=sender.source, payload=excerpt(body))
        refusals_append(journal, sender.factory, refused)
    if admitted.batch:
        _wait_for(readings_append(journal, sender.factory, admitted.batch))
    return admitted


def rejections_told(admitted: Admitted) -> list[dict[str, Any]]:
    """The rejections as answers carry them."""
    # A refused name may be anything; JSON can't carry a lone surrogate.
    return [
        {"index": one.index, "metric": sayable(one.metric, 80), "code": one.code, "detail": one.detail}
        for one in admitted.rejected[:_REJECTIONS_TOLD]
    ]


def _stream(request: HttpRequest) -> Readable:
    """Where the body is read from. Django takes one without a length for none, and Telegraf sends in chunks."""
    environ: dict[str, Any] = getattr(request, "environ", {})
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and "wsgi.input" in environ:
        stream: Readable = environ["wsgi.input"]
        return stream
    return request


def _wait_for(committed: "Future[int]") -> None:
    try:
        committed.result(timeout=_COMMIT_WITHIN_S)
    except TimeoutError as error:
        raise JournalBusyError(_("The disk is slow; send it again.")) from error
