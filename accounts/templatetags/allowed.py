"""Templates ask the same table of permissions as everything else, so that nobody sees a button they can't use."""

from typing import Any

from django import template

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
