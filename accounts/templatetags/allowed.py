"""Templates ask the same table of permissions as everything else, so that nobody sees a button they can't use."""

from typing import Any

from django import template
from django.utils.translation import gettext

from accounts.actions import EXPLAINED
from accounts.permissions import may_administer, permits

register = template.Library()


@register.filter
def may(user: Any, action: str) -> bool:
    """`{% if user|may:"acknowledge" %}`: whether this person may do the action in the current factory."""
    return permits(user, action)


@register.filter
def administers(user: Any) -> bool:
    """`{% if user|administers %}`: whether this person may open the factory's admin."""
    return may_administer(user)


@register.filter
def in_words(actions: list[str]) -> list[str]:
    """`{{ role.actions|in_words|join:"; " }}`: actions as people read them."""
    return [str(EXPLAINED[action]) for action in actions if action in EXPLAINED]


@register.filter
def audited(value: Any) -> str:
    """`{{ value|audited }}`: a value of the audit trail for people: lists with commas, nothing as a dash.

    >>> audited(["ingest", "read"]), audited([]), audited(0)
    ('ingest, read', '–', '0')
    """
    if isinstance(value, list | tuple):
        return ", ".join(audited(part) for part in value) or "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return "–" if value in (None, "", {}) else str(value)
