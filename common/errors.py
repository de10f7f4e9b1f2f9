"""The one family of errors that crosses rooms; `factorypulse/api_errors.py` alone maps codes to HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a stable, machine-readable `code` and a sentence a person can act on.

    errors: one mapping per offending part (field, reading, ...), each with at least `code` and `detail`.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, detail: str, *, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)


class NotFoundError(DomainError):
    """The thing does not exist for whoever asks: foreign and missing look the same."""

    code = "not_found"
    status = 404


class NotPermittedError(DomainError):
    """The caller is known and may not do this."""

    code = "not_permitted"
    status = 403


class NotAuthenticatedError(DomainError):
    """The caller did not say, or could not prove, who it is."""

    code = "not_authenticated"
    status = 401


class InvalidInputError(DomainError):
    """The input was understood and is wrong."""

    code = "invalid_input"
    status = 400


class ConflictError(DomainError):
    """The thing exists already, or has moved on since the caller looked."""

    code = "conflict"
    status = 409


class LimitReachedError(DomainError):
    """A limit of the factory's plan would be passed."""

    code = "limit_reached"
    status = 429
