"""Components that enclose what a page puts into them; those without an inside are includes of `templates/components/`.

Each tag renders the template of its name. See templates/components/README.md.
"""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_block_tag
def drawer(content: SafeString, *, id: str, title: str, wide: bool = False) -> SafeString:  # noqa: A002
    """A panel from the side over the page; `data-opens="#id"` on a button opens it, Esc and the cross close it."""
    return _render("drawer", {"id": id, "title": title, "wide": wide, "content": content})


@register.simple_block_tag
def data_table(
    content: SafeString,
    *,
    caption: str,
    keep: bool = False,
    sticky: bool = False,
    id: str = "",  # noqa: A002
) -> SafeString:
    """A table with a caption for screen readers, which scrolls by itself where it is wider than its place.

    keep: rows stay rows on a phone; otherwise cells with `data-label` become a small card. sticky: its head stays.
    """
    values = {"caption": caption, "keep": keep, "sticky": sticky, "id": id, "content": content}
    return _render("data_table", values)


@register.simple_block_tag
def banner(content: SafeString, *, status: str, title: str = "", href: str = "", text: str = "") -> SafeString:
    """What is wrong, across the page; status: a severity, acknowledged, returned or info. Inside: its buttons."""
    values = {"status": status, "title": title, "href": href, "text": text, "content": content}
    return _render("banner", values)


@register.simple_block_tag
def chart_frame(
    content: SafeString,
    *,
    title: str,
    unit: str = "",
    value: str = "",
    name: str = "",
    detail: str = "",
    busy: bool = False,
) -> SafeString:
    """A chart's frame: what it shows, the value now, and inside the place that is drawn on (`chart__plot`)."""
    values = {"title": title, "unit": unit, "value": value, "name": name, "detail": detail, "busy": busy}
    return _render("chart_frame", {**values, "content": content})


@register.simple_block_tag
def timeline_item(content: SafeString, *, kind: str = "", who: str = "", comment: str = "") -> SafeString:
    """One entry of `<ol class="timeline">`; kind: raised, acknowledged or nothing. Inside: what happened, and when."""
    return _render("timeline_item", {"kind": kind, "who": who, "comment": comment, "content": content})


@register.simple_block_tag
def panel(content: SafeString, *, title: str, id: str = "", flush: bool = False, detail: str = "") -> SafeString:  # noqa: A002
    """A card with a heading; flush: a table or list fills it to the edges."""
    return _render("panel", {"title": title, "id": id, "flush": flush, "detail": detail, "content": content})


def _render(name: str, values: dict[str, Any]) -> SafeString:
    return render_to_string(f"components/{name}.html", values)
