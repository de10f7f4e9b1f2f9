"""The pages about rules: the list, the builder with its back-test, templates, files."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.errand_pages import errand_shown, errands_note
from accounts.jobs import JobState
from accounts.people import person_asking
from accounts.permissions import page_requires, permits
from anomalies.models import Rule
from anomalies.rules.api import rules_file
from anomalies.rules.building import builder_view, draft_errors, draft_sentence, past_view
from anomalies.rules.drafts import Data, draft_changed, draft_of
from anomalies.rules.gallery import BY_KEY, TEMPLATES, draft_from
from anomalies.rules.keeping import rule_change, rule_create, rule_delete, rules_enable
from anomalies.rules.sentences import Names, rule_sentence
from anomalies.rules.trying import draft_try, draft_try_ask, tried_found, tried_get
from anomalies.rules.validation import rule_parse
from anomalies.rules.yaml_files import FILE_MOST, rules_import
from anomalies.rules.zones import zones_newest
from common.errors import DomainError
from telemetry.models import Machine
from tenants.context import factory_current


@require_GET
@page_requires("view")
def rules(request: HttpRequest) -> HttpResponse:
    """Every rule, read back."""
    names = Names.load()
    rows = [{"rule": row, "sentence": rule_sentence(rule_parse(row.as_data()), names)} for row in Rule.objects.all()]
    return render(request, "anomalies/rules/list.html", {"rows": rows, "may_write": permits(request.user, "rules")})


@require_GET
@page_requires("rules")
def rule_templates(request: HttpRequest) -> HttpResponse:
    """Where to begin from."""
    machines = list(Machine.objects.order_by("key"))
    types = sorted({machine.machine_type for machine in machines if machine.machine_type})
    context = {"templates": TEMPLATES, "machines": machines, "types": types, "zones": zones_newest()}
    return render(request, "anomalies/rules/templates.html", context)


@require_http_methods(["GET", "POST"])
@page_requires("rules")
def rule_new(request: HttpRequest) -> HttpResponse:
    """Build a rule, from nothing or from a template; save it."""
    if request.method == "POST":
        return _save(request, None)
    asked = request.GET
    rated = asked.get("rated", "").replace(",", ".")
    data, origin = draft_from(
        asked.get("template", ""),
        machine=asked.get("machine", ""),
        zone_row=asked.get("zone", ""),
        rated=float(rated) if rated.replace(".", "", 1).isdigit() else None,
    )
    return _builder(request, data, rule=None, template=_origin_text(origin))


@require_http_methods(["GET", "POST"])
@page_requires("rules")
def rule_edit(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Change a rule."""
    found = get_object_or_404(Rule, pk=rule_id)
    if request.method == "POST":
        return _save(request, found)
    return _builder(request, found.as_data(), rule=found)


@require_POST
@page_requires("rules")
def rule_draft(request: HttpRequest) -> HttpResponse:
    """The draft after a button of the builder: a condition more, a group less."""
    data = draft_changed(draft_of(request.POST), request.POST.get("do", ""))
    return _builder(request, data, rule=_rule_of(request))


@require_POST
@page_requires("rules")
def rule_said(request: HttpRequest) -> HttpResponse:
    """The draft as a sentence, after every change."""
    data = draft_of(request.POST)
    context = {"sentence": draft_sentence(data), "errors": draft_errors(data)}
    return render(request, "anomalies/rules/partials/_sentence.html", context)


@require_POST
@page_requires("rules")
def rule_try(request: HttpRequest) -> HttpResponse:
    """How often the draft would have fired in the last 30 days; what takes longer than a moment, a worker finds out."""
    data = draft_of(request.POST)
    try:
        context = _past(request, data)
    except DomainError as error:
        details = [str(each["detail"]) for each in error.errors] or [error.detail]
        context = {"refused": list(dict.fromkeys(details))}
    if _wants_part(request):
        return render(request, "anomalies/rules/partials/_past.html", context)
    return _builder(request, data, rule=_rule_of(request), asked=True, more=context)


@require_GET
@never_cache
@page_requires("rules")
def rule_tried(request: HttpRequest, errand_id: int) -> HttpResponse:
    """A draft that a worker tries, with what it found; asked by HTMX, the past alone."""
    try:
        errand = tried_get(errand_id, person=person_asking(request))
    except DomainError as error:
        raise Http404(error.detail) from error
    data = errand.asked["draft"]
    context: dict[str, Any] = {"tried": errand, "job": errand_shown(errand)}
    if errand.state == JobState.READY:
        context = past_view(tried_found(errand), data)
    if _wants_part(request):
        return render(request, "anomalies/rules/partials/_past.html", context)
    rule = Rule.objects.filter(pk=errand.asked.get("rule")).first()
    return _builder(request, data, rule=rule, asked=True, more=context)


def _past(request: HttpRequest, data: Data) -> dict[str, Any]:
    found, factory = draft_try(data), factory_current()
    if found.complete or factory is None:
        return past_view(found, data)
    rule = _rule_of(request)
    errand = draft_try_ask(data, rule_id=rule.pk if rule else None, actor=person_asking(request), factory=factory)
    errands_note(request)
    return {"tried": errand, "job": errand_shown(errand)}


@require_POST
@page_requires("rules")
def rule_switch(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Switch a rule on or off."""
    found = get_object_or_404(Rule, pk=rule_id)
    rules_enable([found], actor=request.user, enabled=request.POST.get("enabled") == "on")
    return HttpResponseRedirect(reverse("rules"))


@require_POST
@page_requires("rules")
def rule_remove(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Delete a rule."""
    found = get_object_or_404(Rule, pk=rule_id)
    rule_delete(found, actor=request.user)
    messages.success(request, _("The rule “%(name)s” is deleted.") % {"name": found.name})
    return HttpResponseRedirect(reverse("rules"))


@require_GET
@page_requires("view")
def rules_download(request: HttpRequest) -> HttpResponse:
    """All rules as a file."""
    return rules_file(request.user)


@require_POST
@page_requires("rules")
def rules_upload(request: HttpRequest) -> HttpResponse:
    """Take the rules of a file, all or none."""
    sent = request.FILES.get("file")
    try:
        text = sent.read(FILE_MOST + 1).decode() if sent is not None else request.POST.get("text", "")
        done = rules_import(text, actor=request.user)
    except UnicodeDecodeError:
        messages.error(request, _("The file is not UTF-8."))
    except DomainError as error:
        details = [f"{each['field']}: {each['detail']}" for each in error.errors[:3]] or [error.detail]
        messages.error(request, _("Nothing was imported. %(why)s") % {"why": "; ".join(details)})
    else:
        new = ngettext("%(n)d new rule", "%(n)d new rules", done.created) % {"n": done.created}
        changed = ngettext("%(n)d replaced", "%(n)d replaced", done.changed) % {"n": done.changed}
        messages.success(request, f"{new}, {changed}.")
    return HttpResponseRedirect(reverse("rules"))


def _save(request: HttpRequest, found: Rule | None) -> HttpResponse:
    data = draft_of(request.POST)
    try:
        if found is None:
            origin = _origin_of(request.POST.get("template", ""))
            row = rule_create(actor=request.user, data=data, template=origin)
        else:
            row = rule_change(found, actor=request.user, data=data)
    except DomainError as error:
        said = {str(each["field"]): str(each["detail"]) for each in error.errors} or {"": error.detail}
        refused = _builder(request, data, rule=found, asked=True, more={"refusals": list(dict.fromkeys(said.values()))})
        refused.status_code = 422
        return refused
    messages.success(request, _("The rule “%(name)s” is saved.") % {"name": row.name})
    return HttpResponseRedirect(reverse("rules"))


def _builder(
    request: HttpRequest,
    data: Data,
    *,
    rule: Rule | None,
    template: str = "",
    asked: bool = False,
    more: dict[str, Any] | None = None,
) -> HttpResponse:
    context = {
        **builder_view(data, asked=asked),
        "rule": rule,
        "template": template or request.POST.get("template", ""),
        **(more or {}),
    }
    name = "anomalies/rules/partials/_builder.html" if _wants_part(request) else "anomalies/rules/builder.html"
    return render(request, name, context)


def _rule_of(request: HttpRequest) -> Rule | None:
    text = request.POST.get("rule", "")
    return get_object_or_404(Rule, pk=int(text)) if text.isdigit() and len(text) < 18 else None


def _origin_text(origin: Data) -> str:
    """Where a draft came from, as the form carries it: “vibration_c/1/2:rigid”."""
    return "/".join(str(part) for part in origin.values())


def _origin_of(text: str) -> Data:
    name, *rest = text.split("/")
    if name not in BY_KEY:
        return {}
    if len(rest) == 2 and rest[0].isdigit():
        return {"name": name, "zones_version": int(rest[0]), "row": rest[1][:40]}
    return {"name": name}


def _wants_part(request: Any) -> bool:
    return bool(request.htmx) and not request.htmx.boosted
