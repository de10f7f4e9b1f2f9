"""Whatever rule the validator takes, a YAML file gives back the same."""

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anomalies.models import Rule
from anomalies.rules.conditions import DAYS, PACKML, RANGES, RATES, STATES, TIMED, Op
from anomalies.rules.schedule import countries, subdivisions
from anomalies.rules.validation import MAX_DEPTH, rule_parse
from anomalies.rules.yaml_files import rules_export, yaml_read

# What YAML 1.1 takes for something else than a text: booleans, nulls, dates, sixties, numbers with a thousand's mark.
TEMPTING = [
    "no",
    "On",
    "null",
    "~",
    "2026-12-24",
    "1:30",
    "1_000",
    "0x10",
    ".inf",
    "=",
    "<<",
    "- a",
    "a: b",
    "# x",
    "!t",
]
texts = st.one_of(
    st.sampled_from(TEMPTING), st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
)
names = texts.filter(lambda text: bool(text.strip()))
numbers = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(-1e12, 1e12, allow_nan=False, allow_infinity=False, allow_subnormal=False)
)
seconds = st.one_of(st.integers(0, 604_800), st.floats(0, 604_800))
spans = st.integers(1, 604_800)


@st.composite
def ranges(draw: st.DrawFn) -> list[float]:
    low = draw(st.integers(-1_000, 1_000))
    return [low, low + draw(st.floats(0.5, 1_000))]


@st.composite
def conditions(draw: st.DrawFn, op: Op) -> dict[str, Any]:
    """A condition that the validator takes, with and without what it may leave out."""
    leaf: dict[str, Any] = {"metric": draw(names), "op": op.value}
    if draw(st.booleans()):
        leaf["machine"] = draw(names)
    if op in TIMED:
        return {**leaf, "for_s": draw(spans)}
    leaf["for_s"] = draw(seconds)
    if op in STATES:
        states = st.one_of(st.sampled_from(sorted(PACKML)), st.integers(0, 62))
        return {**leaf, "value": draw(st.one_of(states, st.lists(states, min_size=1, max_size=4)))}
    if op in RANGES:
        leaf["value"] = draw(ranges())
    elif op in RATES:
        return {**leaf, "value": draw(st.floats(0.001, 1e6)), "over_s": draw(st.integers(1, 86_400))}
    else:
        leaf["value"] = draw(numbers)
    if op not in {Op.EQUALS, Op.NOT_EQUALS} and draw(st.booleans()):
        leaf["clear"] = leaf["value"]
    if draw(st.booleans()):
        leaf["minus"] = {"metric": draw(names), **({"machine": draw(names)} if draw(st.booleans()) else {})}
    return leaf


@st.composite
def trees(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    """Groups in one another; every kind of condition comes up."""
    leaves = st.sampled_from(list(Op)).flatmap(conditions)
    part = st.one_of(leaves, trees(depth=depth + 1)) if depth < MAX_DEPTH - 2 else leaves
    return {draw(st.sampled_from(["all", "any"])): draw(st.lists(part, min_size=1, max_size=2))}


@st.composite
def active_times(draw: st.DrawFn) -> dict[str, Any]:
    active: dict[str, Any] = {"days": draw(st.lists(st.sampled_from(DAYS), unique=True))}
    if draw(st.booleans()):
        active |= {
            "from": draw(st.sampled_from(["00:00", "06:00", "22:30"])),
            "to": draw(st.sampled_from(["24:00", "06:30"])),
        }
    days = st.dates().map(lambda day: day.isoformat())
    active |= {
        "dates": draw(st.lists(days, max_size=2)),
        "except_dates": draw(st.lists(days.map(lambda d: f"{d}/{d}"), max_size=2)),
    }
    if draw(st.booleans()):
        country = draw(st.sampled_from(countries()))
        active["holidays"] = {"country": country, "then": draw(st.sampled_from(["off", "only"]))}
        if parts := subdivisions(country):
            active["holidays"]["subdivision"] = draw(st.sampled_from(parts))[0]
    return active


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    when = draw(trees())
    return {
        "name": draw(names),
        "description": draw(st.one_of(st.just(""), texts)),
        "machines": draw(st.lists(names, min_size=1, max_size=3, unique=True)),
        "when": when,
        "severity": draw(st.sampled_from(["low", "medium", "high", "critical"])),
        "cooldown_s": draw(seconds),
        "active": draw(active_times()),
        "notify": draw(st.lists(texts, max_size=2)),
        "overrides": draw(st.lists(st.fixed_dictionaries({"machine": names, "off": st.just(True)}), max_size=2)),
        "enabled": draw(st.booleans()),
    }


def _one(op: Op, **more: Any) -> dict[str, Any]:
    return {"name": "x", "machines": ["M01"], "when": {"all": [{"metric": "no", "op": op.value, **more}]}}


# Rules are large, and drawing one is slow where other tests run beside it.
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(rules())
@example(_one(Op.ABOVE, value=1e16))
@example(_one(Op.OUTSIDE, value=[0.1, 1e300], clear=[1, 2]))
@example(_one(Op.STATE, value="held"))
@example(_one(Op.ABOVE, value=1, metric="rare\x85break\u2028"))
@example(_one(Op.NO_DATA, for_s=0.5))
def test_every_rule_comes_back_from_its_file_as_it_was(data: dict[str, Any]) -> None:
    rule = rule_parse(data)
    row = Rule(**{name: value for name, value in data.items() if name != "enabled"}, enabled=data.get("enabled", True))
    (read,) = yaml_read(rules_export([row]))["rules"]
    assert rule_parse(read) == rule
