"""Making, changing and deleting rules: checked by the one validator, written down, and their alerts ended with them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.reach import reach_current
from anomalies.models import Rule
from anomalies.notify.rule_list import notify_check
from anomalies.rules.conditions import RuleDocument, leaves_of, rule_as_data
from anomalies.rules.program import rule_for_machine
from anomalies.rules.sentences import problem_text
from anomalies.rules.standing import ALL, TYPE, machines_meant
from anomalies.rules.telling import alerts_active, alerts_return
from anomalies.rules.validation import Problem, RuleProblemsError, rule_parse
from common.errors import ConflictError, InvalidInputError, NotFoundError
from telemetry.models import Machine

RULES_MOST = 2_000


class RuleNotFoundError(NotFoundError):
    """No rule of that number in this factory."""

    code = "rule_not_found"


class RuleInvalidError(InvalidInputError):
    """This is no rule; `errors` say where and why."""

    code = "rule_invalid"


class RuleNameTakenError(ConflictError):
    """Another rule has this name."""

    code = "rule_name_taken"


class TooManyRulesError(ConflictError):
    """The factory has as many rules as it may have."""

    code = "too_many_rules"


def rule_get(rule_id: int) -> Rule:
    """The current factory's rule of that number. Raises RuleNotFoundError."""
    rule = Rule.objects.filter(pk=rule_id).first()
    if rule is None:
        raise RuleNotFoundError(_("There is no rule %(id)d.") % {"id": rule_id})
    return rule


def rule_checked(data: Any) -> RuleDocument:
    """A rule from data, whose machines exist and whose list of people names somebody.

    Raises RuleInvalidError, NotifyListInvalidError.
    """
    try:
        rule = rule_parse(data)
    except RuleProblemsError as error:
        raise _invalid(error.problems) from error
    problems = list(_unknown_machines(rule))
    if problems:
        raise _invalid(problems)
    notify_check(rule.notify)
    return rule


def rule_create(*, actor: Any, data: Any, template: Mapping[str, Any] | None = None) -> Rule:
    """Write a rule and its entry in the audit trail. Raises RuleInvalidError, RuleNameTakenError, TooManyRulesError."""
    document = rule_checked(data)
    if Rule.objects.count() >= RULES_MOST:
        raise TooManyRulesError(_("A factory has at most %(most)d rules.") % {"most": RULES_MOST})
    row = Rule(template=dict(template or {}))
    return _write(row, document, actor=actor, deed="rule.created")


def rule_change(row: Rule, *, actor: Any, data: Any) -> Rule:
    """Replace a rule as a whole. Alerts of machines that it no longer watches are over. Raises as `rule_create`."""
    document = rule_checked(data)
    with transaction.atomic():
        row = _write(row, document, actor=actor, deed="rule.changed")
        _unwatched_return(row, document)
    return row


def rule_delete(row: Rule, *, actor: Any) -> None:
    """Delete a rule; what it raised stays in the history and is over."""
    with transaction.atomic():
        alerts_return(row.pk)
        audit_record(actor=actor, action="rule.deleted", target=row.name, rule=row.pk, was=row.as_data())
        row.delete()


def rules_enable(rows: Iterable[Rule], *, actor: Any, enabled: bool) -> int:
    """Switch rules on or off; the number that changed. What one that is off had raised is over."""
    changed = [row for row in rows if row.enabled is not enabled]
    with transaction.atomic():
        for row in changed:
            row.enabled = enabled
            row.save(update_fields=["enabled", "updated_at"])
            if not enabled:
                alerts_return(row.pk)
            deed = "rule.enabled" if enabled else "rule.disabled"
            audit_record(actor=actor, action=deed, target=row.name, rule=row.pk)
    return len(changed)


def _write(row: Rule, rule: RuleDocument, *, actor: Any, deed: str) -> Rule:
    data = rule_as_data(rule)
    changes = sorted(name for name in data if row.pk and getattr(row, name) != data[name])
    for name, value in data.items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        text = _("There is another rule of this name.")
        raise RuleNameTakenError(text, errors=[{"field": "name", "code": "taken", "detail": text}]) from error
    audit_record(actor=actor, action=deed, target=row.name, rule=row.pk, changes=changes)
    return row


def _unwatched_return(row: Rule, rule: RuleDocument) -> None:
    machines = [alert.machine for alert in alerts_active(row.pk)]
    if not rule.enabled:
        alerts_return(row.pk)
        return
    watched = {
        machine.pk
        for machine in machines_meant(rule.machines, machines)
        if rule_for_machine(rule, machine.key) is not None
    }
    alerts_return(row.pk, [machine for machine in machines if machine.pk not in watched])


def _unknown_machines(rule: RuleDocument) -> Iterable[Problem]:
    named = [(f"machines[{at}]", word) for at, word in enumerate(rule.machines)]
    if reach_current() is not None:
        for path, word in named:
            if word == ALL or word.startswith(TYPE):
                yield Problem(path, "beyond_reach", "You look after a part of the plant: name its machines.")
    named = [(path, word) for path, word in named if word != ALL and not word.startswith(TYPE)]
    for number, leaf in enumerate(leaves_of(rule.when), 1):
        others = (leaf.machine, leaf.minus.machine if leaf.minus else None)
        named += [(f"when, condition {number}", key) for key in others if key]
    named += [(f"overrides[{at}].machine", each.machine) for at, each in enumerate(rule.overrides)]
    known = set(Machine.objects.filter(key__in={key for _path, key in named}).values_list("key", flat=True))
    for path, key in named:
        if key not in known:
            yield Problem(path, "unknown_machine", "There is no machine “%(key)s”.", {"key": key})


def _invalid(problems: Sequence[Problem]) -> RuleInvalidError:
    errors = [{"field": each.path, "code": each.code, "detail": problem_text(each)} for each in problems]
    first = errors[0]
    return RuleInvalidError(
        f"{first['field']}: {first['detail']}" if first["field"] else first["detail"], errors=errors
    )
