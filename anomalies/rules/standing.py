"""The factory's rules that are switched on, ready to run: which of them concern a machine, and as which program."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import structlog
from django.db import connection

from anomalies.models import Rule
from anomalies.rules.conditions import Op, RuleDocument, leaves_of
from anomalies.rules.engine import Program
from anomalies.rules.program import program_of
from anomalies.rules.validation import RuleProblemsError, rule_parse
from common.expiring import ExpiringMap
from telemetry.history.spans import machine_zone
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

ALL, TYPE = "*", "type:"
Version = tuple[int, datetime]


@dataclass(frozen=True, slots=True)
class Pair:
    """One rule on one machine."""

    rule_id: int
    rule: RuleDocument
    machine: Machine
    program: Program


@dataclass(frozen=True)
class Standing:
    """The rules of one factory at one state of their table."""

    versions: frozenset[Version]
    rules: dict[Version, RuleDocument]
    _programs: dict[tuple[int, str, str], Program | None] = field(default_factory=dict)

    def pairs_of(self, machine: Machine) -> list[Pair]:
        """What runs on a machine, which has its line and site loaded."""
        concerned = [
            *self._by_word.get(machine.key, ()),
            *(self._by_word.get(TYPE + machine.machine_type, ()) if machine.machine_type else ()),
            *self._by_word.get(ALL, ()),
        ]
        # A rule may name a machine and its type.
        found = ((pk, self._program(pk, rule, machine)) for pk, rule in dict(concerned).items())
        return [Pair(pk, self._by_id[pk], machine, program) for pk, program in found if program is not None]

    def programs(self) -> list[tuple[tuple[int, str, str], Program | None]]:
        """What has been compiled so far, by rule, machine and zone."""
        return list(self._programs.items())

    @cached_property
    def ask_for_silence(self) -> bool:
        """Whether any rule can fire without a reading."""
        return any(leaf.op is Op.NO_DATA for rule in self.rules.values() for leaf in leaves_of(rule.when))

    @cached_property
    def _by_id(self) -> dict[int, RuleDocument]:
        return {pk: rule for (pk, _at), rule in self.rules.items()}

    @cached_property
    def _by_word(self) -> dict[str, list[tuple[int, RuleDocument]]]:
        found: dict[str, list[tuple[int, RuleDocument]]] = {}
        for pk, rule in self._by_id.items():
            for word in rule.machines:
                found.setdefault(word, []).append((pk, rule))
        return found

    def _program(self, pk: int, rule: RuleDocument, machine: Machine) -> Program | None:
        zone = machine_zone(machine)
        key = (pk, machine.key, zone.key)
        if key not in self._programs:
            self._programs[key] = program_of(rule, machine.key, zone)
        return self._programs[key]


# What was compiled is kept in the worker for as long as the rules are as they are.
_known: ExpiringMap[str, Standing] = ExpiringMap(size=200, fresh_s=86_400)


def rules_standing() -> Standing:
    """The current factory's rules; asks the database only which have changed."""
    versions = frozenset(Rule.objects.filter(enabled=True).values_list("pk", "updated_at"))
    held = _known.fresh(_schema())
    before = held.value if held is not None else Standing(frozenset(), {})
    if before.versions == versions:
        return before
    rules = {version: rule for version, rule in before.rules.items() if version in versions}
    rules.update(_parsed(Rule.objects.filter(pk__in=[pk for pk, _at in versions - set(rules)])))
    kept = {pk for pk, _at in versions & before.versions}
    # What was compiled of the others stays: an edit must not cost as much as a start.
    standing = Standing(versions, rules, {key: program for key, program in before.programs() if key[0] in kept})
    _known.put(_schema(), standing)
    return standing


def _schema() -> str:
    return str(connection.schema_name)  # type: ignore[attr-defined]  # django-tenants' connection


def _parsed(rows: Iterable[Rule]) -> dict[Version, RuleDocument]:
    found = {}
    for row in rows:
        try:
            found[(row.pk, row.updated_at)] = rule_parse(row.as_data())
        except RuleProblemsError as error:
            # Only a row that was not written by us can be so; the others must go on.
            _log.error("rule_unreadable", rule=row.pk, error=str(error))
    return found


def machines_meant(words: Sequence[str], machines: Iterable[Machine]) -> list[Machine]:
    """Which machines a rule's words mean."""
    listed = set(words)
    return [
        machine
        for machine in machines
        if ALL in listed
        or machine.key in listed
        or (bool(machine.machine_type) and TYPE + machine.machine_type in listed)
    ]
