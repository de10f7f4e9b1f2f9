"""Rules as YAML: the same fields as on the API, in one list, to be kept beside other configuration."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml
from django.db import transaction
from django.utils.translation import gettext as _

from anomalies.models import Rule
from anomalies.rules.conditions import rule_as_data
from anomalies.rules.keeping import RuleInvalidError, rule_change, rule_create
from anomalies.rules.validation import rule_parse
from common.errors import DomainError

FILE_MOST = 1_000_000
_RULES_MOST = 1_000
# Left out when written, because they say nothing.
_SAID_NOTHING: dict[str, Any] = {
    "description": "",
    "cooldown_s": 0.0,
    "active": {},
    "notify": [],
    "overrides": [],
    "enabled": True,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file did: how many rules are new, how many replaced one of the same name."""

    created: int
    changed: int


_RARE_BREAK = re.compile("[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Lists inside lists indented, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    """A line break of Unicode's only survives between double quotes, where it is written as its number."""
    style = '"' if _RARE_BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """No anchors: a few lines of them can stand for gigabytes. No dates: a rule's dates are texts."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("Anchors and aliases are not taken.")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def rule_written(row: Rule) -> dict[str, Any]:
    """A rule as a file has it, without what says nothing; numbers without a fraction whole."""
    data = rule_as_data(rule_parse(row.as_data()))
    said = {name: value for name, value in data.items() if value != _SAID_NOTHING.get(name, ...)}
    whole: dict[str, Any] = _whole(said)
    return whole


def rules_export(rows: Iterable[Rule]) -> str:
    """A YAML file of rules."""
    return rule_text({"rules": [rule_written(row) for row in rows]})


def rule_text(data: Any) -> str:
    """Data as YAML."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def yaml_read(text: str) -> Any:
    """Data from YAML (or JSON, which is YAML). Raises RuleInvalidError with the line."""
    if len(text) > FILE_MOST:
        raise RuleInvalidError(_("The file is larger than 1 MB."))
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader, with less
    except RecursionError as error:
        raise RuleInvalidError(_("This is nested too deeply.")) from error
    except (yaml.YAMLError, ValueError) as error:
        raise RuleInvalidError(_("This is not YAML: %(reason)s") % {"reason": _reason(error)}) from error


def rules_import(text: str, *, actor: Any) -> Imported:
    """Take all rules of a file, or none: one of a known name is replaced. Raises DomainError with the rule's place."""
    data = yaml_read(text)
    listed = data.get("rules") if isinstance(data, dict) else data
    if not isinstance(listed, list) or not listed:
        raise RuleInvalidError(_("The file has no list “rules”."))
    if len(listed) > _RULES_MOST:
        raise RuleInvalidError(_("A file has at most %(most)d rules.") % {"most": _RULES_MOST})
    created = 0
    with transaction.atomic():
        known = {row.name: row for row in Rule.objects.all()}
        for at, each in enumerate(listed):
            created += _take(each, at, known, actor)
    return Imported(created, len(listed) - created)


def _take(data: Any, at: int, known: dict[str, Rule], actor: Any) -> bool:
    name = data.get("name") if isinstance(data, dict) else None
    row = known.get(name) if isinstance(name, str) else None
    try:
        if row is not None:
            rule_change(row, actor=actor, data=data)
            return False
        row = rule_create(actor=actor, data=data)
    except DomainError as error:
        path = f"rules[{at}]"
        errors = [{**each, "field": f"{path}.{each['field']}"} for each in error.errors]
        raise RuleInvalidError(f"{path}: {error.detail}", errors=errors) from error
    known[row.name] = row
    return True


def _reason(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return str(error)[:200]
    return _("line %(line)d: %(problem)s") % {"line": mark.line + 1, "problem": problem}


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
