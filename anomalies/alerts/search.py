"""Which alerts a program asked for."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from anomalies.models import HIDDEN_STATES, OPEN_STATES, Alert, AlertState, Severity, Verdict
from common.errors import InvalidInputError
from common.times import from_ms
from telemetry.equipment import machine_for
from telemetry.history.windows import window_of

# The window of a list whose `from` is left out: as good as always.
_ALWAYS_S = 10 * 366 * 86_400
GROUPS: dict[str, frozenset[str]] = {
    "open": frozenset(str(state) for state in OPEN_STATES),
    "active": frozenset({str(AlertState.ACTIVE_UNACKNOWLEDGED), str(AlertState.ACTIVE_ACKNOWLEDGED)}),
    "hidden": frozenset(str(state) for state in HIDDEN_STATES),
}


def alerts_found(params: Mapping[str, str]) -> QuerySet[Alert]:
    """The alerts a query asks for. Raises InvalidInputError for a word that does not exist."""
    found = Alert.objects.select_related("machine", "acknowledged_by")
    states = _states(params.get("state", ""))
    if states:
        found = found.filter(state__in=states)
    for name, known in (("severity", set(Severity.values)), ("verdict", set(Verdict.values))):
        words = _words(params.get(name, ""), name, known=known)
        if words:
            found = found.filter(**{f"{name}__in": words})
    if params.get("machine"):
        found = found.filter(machine=machine_for(params["machine"]))
    if params.get("group"):
        found = found.filter(group=_number(params["group"], "group"))
    if params.get("from") or params.get("to"):
        window = window_of(params, default_s=_ALWAYS_S)
        after = Q(returned_at__isnull=True) | Q(returned_at__gte=from_ms(window.from_ms))
        found = found.filter(after, since_at__lt=from_ms(window.to_ms))
    return found


def _states(text: str) -> set[str]:
    words = _words(text, "state", known={*AlertState.values, *GROUPS})
    return {state for word in words for state in GROUPS.get(word, {word})}


def _words(text: str, name: str, *, known: set[str]) -> set[str]:
    words = {word.strip() for word in text.split(",") if word.strip()}
    for word in words - known:
        detail = f"There is no {name} “{word}”; use one of {', '.join(sorted(known))}."
        raise InvalidInputError(detail, errors=[{"field": name, "code": "unknown", "detail": detail}])
    return words


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        detail = f"“{name}” is a number."
        raise InvalidInputError(detail, errors=[{"field": name, "code": "unknown", "detail": detail}])
    return int(text)
