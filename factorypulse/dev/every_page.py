"""Every page of a factory, as its URLconf and the pages' own links know them: for tests and for pictures."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.urls import Resolver404, URLPattern, get_resolver
from django.urls.resolvers import URLResolver

FACTORY_URLS = "factorypulse.urls_factory"
# Not our pages: Django's admin and the viewers of the API bring their own.
FOREIGN = ("admin/", "api/", "static/")

# Of a path: the answer's status and text.
Ask: TypeAlias = Callable[[str], tuple[int, str]]


def routes(resolver: Any = None, before: str = "") -> Iterator[tuple[str, str | None]]:
    """Every route and its name; of a factory's host unless told."""
    for entry in (resolver or get_resolver(FACTORY_URLS)).url_patterns:
        path = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, path)
        elif isinstance(entry, URLPattern) and not path.startswith(FOREIGN):
            yield path, entry.name


def plain_routes(resolver: Any = None) -> list[str]:
    """The addresses of routes without arguments."""
    return [f"/{path}" for path, _name in routes(resolver) if not re.search(r"[<^(]", path)]


def is_page(answer: tuple[int, str]) -> bool:
    """Whether that is a whole page of ours. Raises RuntimeError for one that failed."""
    status, text = answer
    if status >= 500:
        raise RuntimeError(text[:500])
    return status == 200 and "<html" in text[:2000]


def pages_of(ask: Ask) -> list[str]:
    """One address of every route that answers with a whole page: those without arguments, and what they link to."""
    found: dict[str | None, str] = {}
    waiting, asked = plain_routes(), set[str]()
    while waiting:
        path = waiting.pop(0)
        name = _name_of(path)
        if path in asked or name in found or path.lstrip("/").startswith(FOREIGN):
            continue
        asked.add(path)
        answer = ask(path)
        if is_page(answer):
            found[name] = path
            waiting += [urlsplit(link).path for link in re.findall(r'href="(/[^"]*)"', answer[1])]
    return sorted(found.values())


def _name_of(path: str) -> str | None:
    try:
        return get_resolver(FACTORY_URLS).resolve(path).url_name
    except Resolver404:
        return None
