"""What a key may do and from where, changed while it lives; its secret stays the same."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.api_keys import KeyRevokedError, limits_read
from accounts.audit import audit_record
from accounts.key_scopes import scopes_check
from accounts.models import ApiKey, User

CHANGEABLE = ("name", "scopes", "machines", "addresses", "expires_at")


def api_key_change(*, key: ApiKey, wanted: Mapping[str, Any], changed_by: User | None = None) -> ApiKey:
    """Set the named ones of `CHANGEABLE`; every process goes by them within a second, and open MQTT sessions are ended.

    Raises KeyRevokedError, ScopeTooHighError, InvalidInputError as `api_key_create` does; then nothing has changed.
    """
    given = limits_read({name: wanted[name] for name in CHANGEABLE if name in wanted})
    with transaction.atomic():
        held = ApiKey.objects.select_for_update().get(pk=key.pk)
        if held.revoked_at:
            raise KeyRevokedError(_("This key is revoked. Make a new one instead."))
        # What it may do now, too: whoever may not do that does not open the key to other networks either.
        scopes_check(changed_by, {*held.scopes, *given.get("scopes", ())})
        differing = [name for name, value in given.items() if getattr(held, name) != value]
        before = _told(held, differing)
        for name in differing:
            setattr(held, name, given[name])
        if differing:
            held.save(update_fields=differing)
            audit_record(
                actor=changed_by or "system",
                action="api_key.changed",
                target=held.prefix,
                before=before,
                after=_told(held, differing),
            )
    return held


def _told(key: ApiKey, names: list[str]) -> dict[str, Any]:
    told = {name: getattr(key, name) for name in names}
    if told.get("expires_at"):
        told["expires_at"] = told["expires_at"].isoformat()
    return told
