"""What the product wrote into a timeline is read in the reader's language; what people wrote stays theirs."""

import inspect

import pytest
from django.utils import translation

from anomalies.alerts import suppressing, tending
from anomalies.alerts.entry_words import SENTENCES, comment_said, reason_said
from anomalies.models import AlertEvent
from anomalies.notify import escalating, scheduling
from anomalies.notify.directory import Tell
from anomalies.notify.routing import told_words


def said(kind: str, comment: str, language: str = "de") -> str:
    with translation.override(language):
        return comment_said(AlertEvent(kind=kind, comment=comment))


def tell(name: str, channel: str) -> Tell:
    return Tell(channel=channel, recipient=name, name=name, target_key="")


def test_who_was_told_by_which_ways_is_read_in_german() -> None:
    tells = [tell("Anna (Nacht)", "in_app"), tell("Anna (Nacht)", "email"), tell("Halle", "sms")]
    written = told_words(tells)
    assert written == "Anna (Nacht) (In the app, E-mail), Halle (SMS)"
    assert said("notified", written) == "Anna (Nacht) (In der App, E-Mail), Halle (SMS)"
    assert said("notified", written, "en") == written
    many = told_words([tell(f"P{number}", "email") for number in range(200)])
    assert said("notified", many).endswith(" weitere")


@pytest.mark.parametrize(
    ("kind", "comment", "german"),
    [
        (
            "escalated",
            "Nobody acknowledged it within 5 min; route “Day” goes on. Nobody is on call for “Nights”.",
            "Niemand",
        ),
        ("settled", "12 times", "12-mal"),
        ("suppressed", "Maintenance: new belt", "Wartung: new belt"),
        ("unshelved", "Shelved by anna@acme.example since 10:00: too loud", "anna@acme.example"),
    ],
)
def test_what_became_of_an_alert_by_itself_is_read_in_german(kind: str, comment: str, german: str) -> None:
    assert german in said(kind, comment)
    assert said(kind, comment) != comment
    assert "Nobody" not in said(kind, comment)


def test_what_a_person_wrote_stays_as_it_is() -> None:
    assert said("commented", "The machine is switched off") == "The machine is switched off"
    with translation.override("de"):
        assert reason_said("new belt") == "new belt"


def test_each_sentence_is_one_that_the_product_writes() -> None:
    sources = "".join(inspect.getsource(module) for module in (escalating, scheduling, suppressing, tending))
    assert [sentence for sentence in SENTENCES if sentence not in sources] == []
