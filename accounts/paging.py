"""Lists of the API about people: newest first, and a cursor for what follows."""

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.errors import InvalidInputError

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
    OpenApiParameter("limit", int, description="1 to 200, 50 unless told."),
]


class CursorInvalidError(InvalidInputError):
    """The cursor or limit is not one that a list gave."""

    code = "cursor_invalid"


def page_of(request: Request, rows: QuerySet[Any], serializer: type[serializers.ModelSerializer[Any]]) -> Response:
    """At most `limit` rows; `next_cursor` is the `cursor` of what follows. Raises CursorInvalidError."""
    limit = min(_number(request, "limit", DEFAULT_LIMIT), LARGEST_LIMIT)
    cursor = _number(request, "cursor", 0)
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    found: list[Model] = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    results = serializer(found[:limit], many=True).data
    return Response({"results": results, "next_cursor": str(found[limit - 1].pk) if more else None})


def checked(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    """The body's valid data. Raises DRF's ValidationError."""
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and 0 < len(given) < 19) or int(given) == 0:
        raise CursorInvalidError(_("“%(name)s” is not a number that a list gave.") % {"name": name})
    return int(given)
