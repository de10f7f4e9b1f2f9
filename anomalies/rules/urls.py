"""Routes about rules: the API's under /api/v1, and the pages'."""

from django.urls import URLPattern, URLResolver, path

from anomalies.rules import api

api_patterns: list[URLPattern | URLResolver] = [
    path("rules", api.RulesView.as_view(), name="api_rules"),
    path("rules/backtest", api.BacktestView.as_view(), name="api_rules_backtest"),
    path("rules/file", api.RulesFileView.as_view(), name="api_rules_file"),
    path("rules/<int:rule_id>", api.RuleView.as_view(), name="api_rule"),
]
