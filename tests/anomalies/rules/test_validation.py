"""One validator: what is a rule, and for what is not one, where and why."""

import pytest
from django.utils import translation

from anomalies.rules.conditions import rule_as_data
from anomalies.rules.sentences import problem_text
from anomalies.rules.validation import MAX_CONDITIONS, RuleProblemsError, rule_parse

HOT = {"metric": "t", "op": "above", "value": 80, "for_s": 10, "clear": 75}
WHOLE = {
    "name": "Hot and loud",
    "description": "",
    "machines": ["M01", "type:pump"],
    "when": {
        "all": [
            {"metric": "t", "op": "above", "value": 80.0, "for_s": 10.0, "clear": 75.0},
            {
                "any": [
                    {"metric": "v", "op": "rises", "value": 2.0, "over_s": 60.0},
                    {"metric": "p", "op": "outside", "value": [2.0, 4.0], "minus": {"metric": "p", "machine": "M02"}},
                    {"metric": "s", "op": "not_state", "value": ["execute", 4.0]},
                    {"metric": "f", "op": "no_data", "for_s": 60.0, "machine": "M03"},
                ]
            },
        ]
    },
    "severity": "critical",
    "cooldown_s": 600.0,
    "active": {
        "days": ["mon", "sun"],
        "from": "22:00",
        "to": "06:00",
        "dates": ["2026-01-01/2026-12-31"],
        "except_dates": ["2026-12-24"],
        "holidays": {"country": "PL", "then": "only"},
    },
    "notify": ["role:supervisor"],
    "overrides": [{"machine": "M01", "condition": 1, "value": 90.0}, {"machine": "P-7", "off": True}],
    "enabled": True,
}


def problems(**changed):
    data = {"name": "r", "machines": ["M01"], "when": {"all": [HOT]}, **changed}
    with pytest.raises(RuleProblemsError) as refused:
        rule_parse(data)
    return [(problem.path, problem.code) for problem in refused.value.problems]


def leaf(**changed):
    whole = {**HOT, "clear": None, **changed}
    return {"all": [{name: value for name, value in whole.items() if value is not None}]}


def test_a_rule_survives_being_read_and_written():
    assert rule_as_data(rule_parse(WHOLE)) == WHOLE


def test_other_products_operators_are_understood_and_written_in_ours():
    rule = rule_parse({"name": "r", "machines": ["*"], "when": leaf(op=">=")})
    assert rule_as_data(rule)["when"]["all"][0]["op"] == "at_least"


def test_one_condition_alone_is_a_group_of_one():
    assert rule_as_data(rule_parse({"name": "r", "machines": ["*"], "when": HOT}))["when"] == {
        "all": [{"metric": "t", "op": "above", "value": 80.0, "for_s": 10.0, "clear": 75.0}]
    }


@pytest.mark.parametrize(
    ("when", "path", "code"),
    [
        (None, "when", "required"),
        ([], "when", "not_an_object"),
        ({"all": []}, "when.all", "empty_group"),
        ({"all": [HOT], "any": [HOT]}, "when", "mixed_group"),
        ({"all": [HOT, {"any": [3]}]}, "when.all[1].any[0]", "not_an_object"),
        ({"all": [HOT] * (MAX_CONDITIONS + 1)}, "when", "too_many"),
        ({"all": [{"all": [{"all": [{"all": [{"all": [{"all": [HOT]}]}]}]}]}]}, "when" + ".all[0]" * 5, "too_deep"),
        (leaf(op="near"), "when.all[0].op", "wrong_type"),
        (leaf(value="7"), "when.all[0].value", "not_a_number"),
        (leaf(value=True), "when.all[0].value", "wrong_type"),
        (leaf(value=float("nan")), "when.all[0].value", "not_a_number"),
        (leaf(metric=""), "when.all[0].metric", "wrong_type"),
        (leaf(sound=3), "when.all[0]", "wrong_type"),
        (leaf(for_s=-1), "when.all[0].for_s", "wrong_type"),
        (leaf(clear=81), "when.all[0].clear", "never_clears"),
        (leaf(op="below", clear=79), "when.all[0].clear", "never_clears"),
        (leaf(op="inside"), "when.all[0].value", "not_a_range"),
        (leaf(op="outside", value=[4, 2]), "when.all[0].value", "not_a_range"),
        (leaf(op="outside", value=[2, 4], clear=[1, 5]), "when.all[0].clear", "never_clears"),
        (leaf(op="inside", value=[2, 4], clear=[2.5, 5]), "when.all[0].clear", "never_clears"),
        (leaf(op="rises"), "when.all[0].over_s", "required"),
        (leaf(op="rises", value=-1, over_s=10), "when.all[0].value", "out_of_range"),
        (leaf(over_s=10), "when.all[0].over_s", "not_taken"),
        (leaf(op="state", value="resting"), "when.all[0].value", "unknown_state"),
        (leaf(op="stuck"), "when.all[0]", "not_taken"),
        (leaf(op="no_data", value=None, for_s=0), "when.all[0].for_s", "required"),
    ],
)
def test_what_is_wrong_with_a_tree_is_said_with_its_path(when, path, code):
    assert problems(when=when) == [(path, code)]


@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"name": " "}, "name", "required"),
        ({"name": 3}, "name", "not_a_text"),
        ({"machines": []}, "machines", "required"),
        ({"machines": "M01"}, "machines", "wrong_type"),
        ({"severity": "worst"}, "severity", "unknown_severity"),
        ({"cooldown_s": -1}, "cooldown_s", "out_of_range"),
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"active": {"days": ["someday"]}}, "active.days[0]", "wrong_type"),
        ({"active": {"from": "25:00", "to": "06:00"}}, "active.from", "not_a_time"),
        ({"active": {"from": "22:00"}}, "active", "half_open"),
        ({"active": {"dates": ["2026-02-30"]}}, "active.dates[0]", "not_a_date"),
        ({"active": {"holidays": {"country": "ZZ"}}}, "active.holidays", "unknown_country"),
        (
            {"overrides": [{"machine": "M01", "condition": 2, "value": 1}]},
            "overrides[0].condition",
            "no_such_condition",
        ),
        ({"overrides": [{"machine": "M01", "condition": 1, "clear": 99}]}, "overrides[0].clear", "never_clears"),
        ({"notify": [3]}, "notify[0]", "wrong_type"),
    ],
)
def test_what_is_wrong_around_it_too(changed, path, code):
    assert problems(**changed) == [(path, code)]


def test_every_problem_is_told_at_once():
    assert problems(name="", when={"any": [{"metric": "t", "op": "above"}, {"op": "above"}]}) == [
        ("name", "required"),
        ("when.any[0].value", "not_a_number"),
        ("when.any[1]", "wrong_type"),
    ]


@pytest.mark.parametrize("data", [None, [], "rule", 3])
def test_what_is_no_object_is_no_rule(data):
    with pytest.raises(RuleProblemsError):
        rule_parse(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"when": leaf(for_s="x")}, "Give a number."),
        ({"when": leaf(for_s=-1)}, "At least 0."),
        ({"when": leaf(for_s=1e9)}, "At most 604800."),
        ({"when": leaf(op="near")}, "“near” is none of the choices."),
        ({"when": leaf(sound=3)}, "There is no field “sound” here."),
        ({"when": leaf(metric="")}, "This must not be empty."),
        ({"when": leaf(metric="x" * 65)}, "At most 64 characters."),
        ({"when": leaf(value={})}, "Give a number, or a list."),
        ({"when": leaf(machine=3)}, "Give a text."),
        ({"overrides": [{}]}, "The field “machine” is missing."),
        ({"overrides": 3}, "Give a list."),
        ({"active": 3}, "Give named fields."),
        ({"enabled": "x"}, "Give true or false."),
    ],
)
def test_what_the_type_checker_says_is_said_in_sentences_that_are_translated(data, said):
    with pytest.raises(RuleProblemsError) as caught:
        rule_parse({"name": "r", "machines": ["*"], "when": HOT, **data})
    [problem] = caught.value.problems
    assert problem.detail == said
    with translation.override("de"):
        assert problem_text(problem) != said
