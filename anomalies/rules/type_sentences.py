"""What msgspec says of data of another type than asked for, as sentences that can be translated. Pure."""

import re
from collections.abc import Mapping
from typing import Any


def gettext_noop(text: str) -> str:
    """Marks a text, which is translated where the reader's language is known. xgettext looks for this name."""
    return text


# The type checker's words by what they ask for; figures stand in them as they are.
_SENTENCES = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"Object missing required field `(?P<name>.*)`$", gettext_noop("The field “%(name)s” is missing.")),
        (r"Object contains unknown field `(?P<name>.*)`$", gettext_noop("There is no field “%(name)s” here.")),
        (r"Invalid enum value '?(?P<value>.*?)'?$", gettext_noop("“%(value)s” is none of the choices.")),
        (r"Expected `str` of length >= ", gettext_noop("This must not be empty.")),
        (r"Expected `str` of length <= (?P<most>\d+)$", gettext_noop("At most %(most)s characters.")),
        (r"Expected `(?:float|int)[^`]*` >= (?P<least>\S+?)(?:\.0)?$", gettext_noop("At least %(least)s.")),
        (r"Expected `(?:float|int)[^`]*` <= (?P<most>\S+?)(?:\.0)?$", gettext_noop("At most %(most)s.")),
        (r"Expected `float(?: \| null)?`, got", gettext_noop("Give a number.")),
        (r"Expected `int(?: \| null)?`, got", gettext_noop("Give a whole number.")),
        (r"Expected `float \| (?:str \| )?array", gettext_noop("Give a number, or a list.")),
        (r"Expected `str(?: \| null)?`, got", gettext_noop("Give a text.")),
        (r"Expected `bool(?: \| null)?`, got", gettext_noop("Give true or false.")),
        (r"Expected `array(?: \| null)?`, got", gettext_noop("Give a list.")),
        (r"Expected `object(?: \| null)?`, got", gettext_noop("Give named fields.")),
    )
]


def type_sentence(what: str) -> tuple[str, Mapping[str, Any]]:
    """A sentence and what stands in it, %-formatted; one that says less where msgspec says something new.

    >>> type_sentence("Expected `float`, got `str`"), type_sentence("Object missing required field `name`")
    (('Give a number.', {}), ('The field “%(name)s” is missing.', {'name': 'name'}))
    """
    for pattern, text in _SENTENCES:
        if found := pattern.match(what):
            return text, found.groupdict()
    return gettext_noop("This is not what belongs here."), {}
