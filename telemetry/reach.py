"""The one place that filters: whoever is restricted to a part of the plant finds nothing beyond it, in any query.

Every model that hangs on a site, a line, a machine or a metric, in whatever app, gets a manager whose rows lie within
the reach that `accounts.reach` has bound. So a page, an API view or an export that nobody thought of is filtered too.
A model that hangs on the plant in another way says how by a class method `within_reach(reach) -> Q`.
"""

from typing import Any, TypeVar

from django.apps import apps
from django.db.models import Field, ForeignObjectRel, Manager, Model, Q, QuerySet

from accounts.reach import Place, Reach, places_known_by, reach_current
from telemetry.models import Area, Line, Machine, Metric, QuarantinedReading, Site

_ROOMS = frozenset({"telemetry", "anomalies", "reports"})


_M = TypeVar("_M", bound=Model)


class WithinReach(Manager[_M]):
    """The manager of models that hang on the plant; mixed into managers of other kinds."""

    def get_queryset(self) -> QuerySet[_M]:
        """Every row, or those within reach of whoever asks."""
        found: QuerySet[_M] = super().get_queryset()
        reach = reach_current()
        return found if reach is None else found.filter(rows_within(self.model, reach))


def reach_wire() -> None:
    """Give every model that hangs on the plant such managers; once, when all models are known."""
    places_known_by(_places)
    for model in apps.get_models():
        if model._meta.app_label in _ROOMS and hangs_on_plant(model):
            for manager in model._meta.managers:
                if not isinstance(manager, WithinReach):
                    manager.__class__ = _kind_within_reach(type(manager))


def _kind_within_reach(kind: type[Manager[Any]]) -> type[Manager[Any]]:
    return WithinReach if kind is Manager else type(f"WithinReach{kind.__name__}", (WithinReach, kind), {})


def hangs_on_plant(model: type[Model]) -> bool:
    """Whether its rows belong to some part of the plant."""
    return model in _PLANT or hasattr(model, "within_reach") or bool(_ways(model, frozenset()))


def rows_within(model: type[Model], reach: Reach) -> Q:
    """The condition on a model's rows."""
    own = _PLANT.get(model) or getattr(model, "within_reach", None)
    if own is not None:
        condition: Q = own(reach)
        return condition
    condition = Q()
    needed, ways = _decisive(model, _ways(model, frozenset()))
    for field in ways:
        target: Any = field.related_model
        found = target._base_manager.filter(rows_within(target, reach))
        if field.many_to_many:
            # A join would repeat a row for each of its machines.
            found = model._base_manager.filter(**{f"{field.name}__in": found}).values("pk")
        step = Q(pk__in=found) if field.many_to_many else Q(**{f"{field.name}__in": found})
        condition = condition & step if needed else condition | step
    return condition


def machine_keys_within(reach: Reach) -> frozenset[str]:
    """The machines of the current factory that lie within."""
    return frozenset(Machine._base_manager.filter(_machine_within(reach)).values_list("key", flat=True))


def _ways(model: type[Model], seen: frozenset[type[Model]]) -> list["Field[Any, Any]"]:
    """The fields by which a row leads to the plant."""
    ways: list[Field[Any, Any]] = []
    for field in model._meta.get_fields():
        target: Any = field.related_model
        if isinstance(field, ForeignObjectRel) or target is None or target is model or target in seen:
            continue
        known = target in _PLANT or hasattr(target, "within_reach")
        if known or (target._meta.app_label in _ROOMS and _ways(target, seen | {model})):
            ways.append(field)
    return ways


def _decisive(model: type[Model], ways: list["Field[Any, Any]"]) -> tuple[bool, list["Field[Any, Any]"]]:
    """Which of them decide, and whether all of them must lie within, or one is enough.

    What a row can't be without decides alone, and the plant before anything else: an alert is its machine's, even if
    the rule that raised it also looks at machines within reach.
    """
    straight = [field for field in ways if field.related_model in _PLANT] or ways
    required = [field for field in straight if not field.null and not field.many_to_many]
    return (True, required) if required else (False, straight)


def _site_within(reach: Reach) -> Q:
    line = Line._base_manager.filter(_line_within(reach)).values("site")
    return Q(pk__in=reach.sites) | Q(pk__in=line)


def _area_within(reach: Reach) -> Q:
    line = Line._base_manager.filter(_line_within(reach)).values("area")
    return Q(site__in=reach.sites) | Q(pk__in=line)


def _line_within(reach: Reach) -> Q:
    by_key = Machine._base_manager.filter(key__in=reach.machines).values("line")
    return Q(pk__in=reach.lines) | Q(site__in=reach.sites) | Q(pk__in=by_key)


def _machine_within(reach: Reach) -> Q:
    return Q(line__in=reach.lines) | Q(line__site__in=reach.sites) | Q(key__in=reach.machines)


def _metric_within(reach: Reach) -> Q:
    return Q(machine__in=Machine._base_manager.filter(_machine_within(reach)))


def _quarantined_within(reach: Reach) -> Q:
    return Q(machine__in=Machine._base_manager.filter(_machine_within(reach)).values("key"))


_PLANT: dict[Any, Any] = {
    Site: _site_within,
    Area: _area_within,
    Line: _line_within,
    Machine: _machine_within,
    Metric: _metric_within,
    QuarantinedReading: _quarantined_within,
}


def _places() -> list[Place]:
    sites = [Place("site", site.pk, site.name) for site in Site.objects.all()]
    lines = Line.objects.select_related("site").order_by("site__name", "name")
    return sites + [Place("line", line.pk, f"{line.site.name}, {line.name}") for line in lines]
