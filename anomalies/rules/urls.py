"""Routes about rules: the API's under /api/v1, and the pages'."""

from django.urls import URLPattern, URLResolver, path

from anomalies.rules import api, pages

api_patterns: list[URLPattern | URLResolver] = [
    path("rules", api.RulesView.as_view(), name="api_rules"),
    path("rules/backtest", api.BacktestView.as_view(), name="api_rules_backtest"),
    path("rules/file", api.RulesFileView.as_view(), name="api_rules_file"),
    path("rules/<int:rule_id>", api.RuleView.as_view(), name="api_rule"),
]

page_patterns: list[URLPattern | URLResolver] = [
    path("rules", pages.rules, name="rules"),
    path("rules/templates", pages.rule_templates, name="rule_templates"),
    path("rules/new", pages.rule_new, name="rule_new"),
    path("rules/draft", pages.rule_draft, name="rule_draft"),
    path("rules/said", pages.rule_said, name="rule_said"),
    path("rules/try", pages.rule_try, name="rule_try"),
    path("rules/tried/<int:errand_id>", pages.rule_tried, name="rule_tried"),
    path("rules/file", pages.rules_download, name="rules_download"),
    path("rules/upload", pages.rules_upload, name="rules_upload"),
    path("rules/<int:rule_id>", pages.rule_edit, name="rule_edit"),
    path("rules/<int:rule_id>/switch", pages.rule_switch, name="rule_switch"),
    path("rules/<int:rule_id>/delete", pages.rule_remove, name="rule_remove"),
]
