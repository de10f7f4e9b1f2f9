"""Lists of the API, all alike: `?cursor=&limit=`, and an answer that names what follows."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import exceptions, serializers
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.errors import InvalidInputError

_LARGEST_ID = 2**63 - 1


class CursorInvalidError(InvalidInputError):
    """The cursor or limit is not one that a list gave."""

    code = "cursor_invalid"


class CursorPages(CursorPagination):
    """Pages that stay whole while rows come and go; a limit over the largest is the largest.

    `next_cursor` is the `cursor` of what follows, `next` and `previous` are whole addresses.
    """

    page_size = 50
    max_page_size: int = 500
    page_size_query_param = "limit"
    page_size_query_description = "1 to 500, 50 unless told; more is 500."
    cursor_query_description = "`next_cursor` of the page before."
    ordering = "pk"

    def get_page_size(self, request: Request) -> int:
        """The rows of a page. Raises CursorInvalidError."""
        given = request.query_params.get("limit", "")
        if not given:
            return self.page_size
        if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given)):
            raise _invalid("limit")
        return min(int(given), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins. Raises CursorInvalidError."""
        try:
            # The framework skips what is no base64, and would take nonsense for the first page.
            base64.b64decode(request.query_params.get("cursor", ""), validate=True)
            cursor: Cursor | None = super().decode_cursor(request)
        except (exceptions.NotFound, binascii.Error, ValueError) as error:
            raise _invalid("cursor") from error
        if cursor is not None and cursor.position is not None and not self._can_stand(str(cursor.position)):
            raise _invalid("cursor")
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        """The rows, and where to go on."""
        following = self.get_next_link()
        token = parse_qs(urlsplit(following).query)["cursor"][0] if following else None
        links = {"next": following, "previous": self.get_previous_link()}
        return Response({"results": data, "next_cursor": token, **links})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same for the API's description."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next_cursor", "next", "previous"],
            "properties": {
                "results": schema,
                "next_cursor": {"type": "string", "nullable": True, "description": "The `cursor` of what follows."},
                "next": link,
                "previous": link,
            },
        }

    def _can_stand(self, position: str) -> bool:
        """Whether a row could have this position: anybody may write a cursor of their own, and the database must
        not be asked for an id that is none or for a sign that it can't hold."""
        if self.ordering[0].lstrip("-") != "pk":
            return "\x00" not in position
        return position.isascii() and position.isdigit() and len(position) < 20 and int(position) <= _LARGEST_ID


class NewestFirst(CursorPages):
    """Rows, the newest first."""

    ordering = "-pk"


class WorkedOut(CursorPages):
    """Pages of rows that are worked out and not stored: a position is a place in their order."""

    _begin, _total, _size = 0, 0, 0

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of a page of any sequence. Raises CursorInvalidError."""
        rows, cursor = list(queryset), self.decode_cursor(request)
        self.base_url = request.build_absolute_uri()
        self._size, self._total = self.get_page_size(request), len(rows)
        self._begin = int(cursor.position or 0) if cursor is not None else 0
        return rows[self._begin : self._begin + self._size]

    def get_next_link(self) -> str | None:
        """The address of what follows."""
        end = self._begin + self._size
        return self._link(end) if end < self._total else None

    def get_previous_link(self) -> str | None:
        """The address of what came before."""
        return self._link(max(0, self._begin - self._size)) if self._begin > 0 else None

    def _can_stand(self, position: str) -> bool:
        return position.isascii() and position.isdigit() and len(position) < 10

    def _link(self, begin: int) -> str:
        place = Cursor(offset=0, reverse=False, position=str(begin))  # type: ignore[arg-type]  # as the framework has it
        address: str = self.encode_cursor(place)
        return address


def page_of(
    view: APIView,
    request: Request,
    rows: QuerySet[Any] | Sequence[Any],
    serializer: type[serializers.BaseSerializer[Any]],
) -> Response:
    """One page of rows in the order of the view's `pagination_class`. Raises CursorInvalidError."""
    pages: CursorPages = view.pagination_class()  # type: ignore[attr-defined]  # every view of a list names one
    page: list[Any] = pages.paginate_queryset(rows, request, view) or []
    return pages.get_paginated_response(serializer(page, many=True).data)


def checked(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    """The body's valid data. Raises DRF's ValidationError."""
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def _invalid(name: str) -> CursorInvalidError:
    detail = _("“%(name)s” is not a number that a list gave.") % {"name": name}
    return CursorInvalidError(detail, errors=[{"field": name, "code": "cursor_invalid", "detail": detail}])
