"""What can be done in a factory, and which role or scope may do it: the one table that every door asks.

docs/permissions.md is written from it by `manage.py permission_table`.
"""

from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, Scope

VIEW = "view"
ACKNOWLEDGE = "acknowledge"
REPORTS = "reports"
RULES = "rules"
ANALYTICS = "analytics"
ORDERS = "orders"
DELIVERIES = "deliveries"
NOTIFICATIONS = "notifications"
EQUIPMENT = "equipment"
PEOPLE = "people"
AUDIT = "audit"
FACTORY = "factory"
INGEST = "ingest"

EXPLAINED: dict[str, Promise] = {
    VIEW: _("see machines, readings, alerts and reports"),
    ACKNOWLEDGE: _("handle alerts: acknowledge, shelve, comment, close"),
    REPORTS: _("make reports and schedules"),
    RULES: _("write rules"),
    ANALYTICS: _("teach detectors and run analyses"),
    ORDERS: _("approve orders and quotes"),
    DELIVERIES: _("see which notifications were sent, and send one again"),
    NOTIFICATIONS: _("choose who is told of alerts, how, and who is on call"),
    EQUIPMENT: _("configure sites, lines, machines and metrics"),
    PEOPLE: _("look after people, roles and keys"),
    AUDIT: _("read the audit trail"),
    FACTORY: _("rename, export and delete the factory, and let support in"),
    INGEST: _("send readings"),
}
ACTIONS = frozenset(EXPLAINED)
# What may be given to one person beside their role, and what a role of a factory's own is made of.
SINGLE_ACTIONS = (ACKNOWLEDGE, RULES, ANALYTICS, REPORTS, ORDERS, DELIVERIES, NOTIFICATIONS, EQUIPMENT, PEOPLE, AUDIT)

_OPERATOR = frozenset({VIEW, ACKNOWLEDGE})
_SUPERVISOR = _OPERATOR | {REPORTS, RULES, ANALYTICS, ORDERS, DELIVERIES}
# Nobody sends readings as a person: a reading's source is a key that can be revoked by itself.
_OWNER = ACTIONS - {INGEST}
BY_ROLE: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({VIEW}),
    Role.OPERATOR: _OPERATOR,
    Role.SUPERVISOR: _SUPERVISOR,
    Role.ADMIN: _OWNER - {FACTORY},
    Role.OWNER: _OWNER,
}
# People, the audit trail and the factory itself are not for keys at all.
BY_SCOPE: dict[str, frozenset[str]] = {
    Scope.READ: frozenset({VIEW}),
    Scope.WRITE: frozenset({ACKNOWLEDGE, REPORTS, RULES, ANALYTICS, ORDERS, EQUIPMENT}),
    Scope.INGEST: frozenset({INGEST}),
}
# Not for people who are restricted to a part of the plant, because it tells of all of it or changes all of it.
_WHOLE_FACTORY = frozenset({REPORTS, RULES, DELIVERIES, NOTIFICATIONS, EQUIPMENT, PEOPLE, AUDIT, FACTORY})
ADMINISTRATORS = frozenset({Role.ADMIN, Role.OWNER})


def actions_of_role(
    role: str, *, custom: Iterable[str] | None = None, extra: Iterable[str] = (), restricted: bool = False
) -> frozenset[str]:
    """What a role allows, or a factory's own role (`custom`) in its place, with single permissions on top.

    Whatever was stored, nothing that can't be given singly comes from `custom` or `extra`, and whoever is restricted
    to a part of the plant may do nothing that is the whole factory's.

    >>> sorted(actions_of_role("viewer", extra=["rules", "factory"]))
    ['rules', 'view']
    """
    base = BY_ROLE.get(role, frozenset()) if custom is None else frozenset({VIEW}) | _single(custom)
    return (base | _single(extra)) - (_WHOLE_FACTORY if restricted else frozenset())


def _single(actions: Iterable[str]) -> frozenset[str]:
    return frozenset(SINGLE_ACTIONS).intersection(actions)
