"""What an alert says, in each of the product's languages: figures and names are known as it is raised, readers later.

The alert keeps its words in the source's language; those of the others stand in its evidence under `said`, by language:
`{"de": {"title": "…", "summary": "…"}}`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import translation

from telemetry.metric_titles import stem_of, title_of

_TITLE_MOST, _SUMMARY_MOST = 200, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A heading and a sentence without its full stop; evidence: the other languages, for an alert's evidence."""

    title: str
    summary: str
    evidence: dict[str, Any]


def words_say(say: Callable[[], tuple[str, str]]) -> Words:
    """Have the heading and the sentence said in every language."""
    with translation.override(settings.LANGUAGE_CODE):
        title, summary = _said(say)
    others = {}
    for language, _name in settings.LANGUAGES:
        if language != settings.LANGUAGE_CODE:
            with translation.override(language):
                others[language] = dict(zip(("title", "summary"), _said(say), strict=True))
    return Words(title=title, summary=summary, evidence={"said": others} if others else {})


def words_read(title: str, summary: str, evidence: Mapping[str, Any]) -> tuple[str, str]:
    """Heading and sentence in the language that is spoken now; those of the source where an alert has no others.

    >>> words_read("Hot", "98 °C", {})
    ('Hot', '98 °C')
    """
    said = evidence.get("said", {}).get(translation.get_language() or "")
    if said is None:
        return title, summary
    parts = evidence.get("metrics") or []
    # The heading of a rule's alert is what a person called the rule.
    heading, sentence = said.get("title", title), said.get("summary", summary)
    by_rule = any("op" in part for part in parts)
    return heading if by_rule else _named_now(heading, parts), _named_now(sentence, parts)


def _named_now(text: str, parts: Sequence[Mapping[str, Any]]) -> str:
    """With the metrics' names of today: one that had none in its language when it was said may have one since."""
    for part in parts:
        name = stem_of(str(part.get("metric", "")), str(part.get("unit") or ""))
        now = title_of(name)
        with translation.override(settings.LANGUAGE_CODE):
            before = title_of(name)
        if name and before != now:
            text = re.sub(rf"(?<!\w){re.escape(before)}(?!\w)", now.replace("\\", r"\\"), text)
    return text


def _said(say: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    title, summary = say()
    return title[:_TITLE_MOST], summary[:_SUMMARY_MOST]
