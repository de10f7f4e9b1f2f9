"""The audit trail as a page, and as a file."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.audit import audit_record
from accounts.audit_export import AT_ONCE, audit_export_ask
from accounts.audit_trail import AuditFilterError, audit_csv, audit_find
from accounts.errand_pages import errands_note
from accounts.models import AuditEntry
from accounts.people import person_asking
from accounts.permissions import page_requires
from common.errors import DomainError
from tenants.context import factory_current
from tenants.models import Factory

_ON_PAGE = 50
_FILTERS = ("actor", "action", "target", "from", "to")


@require_GET
@page_requires("audit")
def audit(request: HttpRequest) -> HttpResponse:
    """Who did what, newest first, 50 at a time."""
    chosen = {name: request.GET.get(name, "").strip() for name in _FILTERS}
    error = ""
    try:
        found = audit_find(chosen)
    except AuditFilterError as refused:
        found, error = AuditEntry.objects.none(), refused.detail
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(pk__lt=int(before))
    entries = list(found.order_by("-pk")[: _ON_PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "entries": entries[:_ON_PAGE],
        "chosen": {**chosen, "since": chosen["from"], "until": chosen["to"]},
        "narrows": any(chosen.values()),
        "kinds": sorted(set(AuditEntry.objects.order_by().values_list("action", flat=True).distinct())),
        "query": query.urlencode(),
        "older": entries[_ON_PAGE - 1].pk if len(entries) > _ON_PAGE else None,
        "error": error,
    }
    return render(request, "accounts/audit.html", context, status=422 if error else 200)


@require_GET
@page_requires("audit")
def audit_export(request: HttpRequest) -> HttpResponse:
    """The same as CSV; a long one is written by a worker. Reading it whole is itself written down."""
    chosen = {name: value for name in _FILTERS if (value := request.GET.get(name, "").strip())}
    found, factory = audit_find(chosen), factory_current()
    if factory is not None and found.count() > AT_ONCE:
        return _by_worker(request, chosen, factory)
    audit_record(actor=request.user, action="audit.exported", filters=chosen)
    response = HttpResponse("".join(audit_csv(found)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _by_worker(request: HttpRequest, chosen: dict[str, str], factory: Factory) -> HttpResponse:
    try:
        audit_export_ask(chosen, actor=person_asking(request), factory=factory)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        audit_record(actor=request.user, action="audit.exported", filters=chosen)
    errands_note(request)
    return redirect("errands")
