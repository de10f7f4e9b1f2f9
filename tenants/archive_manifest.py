"""The first page of an archive: which factory it holds, of which version, and whether this installation wrote it."""

from typing import Annotated, Any, Self

import msgspec
from django.core.signing import BadSignature, Signer
from django.utils.translation import gettext as _

from common import clock
from common.errors import ConflictError, InvalidInputError
from tenants.models import LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, Factory
from tenants.schemas import migrations_fingerprint

FORMAT = 1
_SALT = "tenants.archive"
_Minutes = Annotated[int, msgspec.Meta(ge=LEAST_IDLE_MINUTES, le=MOST_IDLE_MINUTES)]


class ArchiveInvalidError(InvalidInputError):
    """The file is no archive of a factory, or damaged."""

    code = "archive_invalid"


class ArchiveVersionError(ConflictError):
    """The archive was written by another version of the product than the one that reads it."""

    code = "archive_version"


class _Version(msgspec.Struct, frozen=True):
    format: int
    migrations: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive says of itself; whoever held it may have changed all of it, so see `proved`.

    plan: the short name of its plan; archived_at: RFC 3339; tables: those that follow as `tables/<name>.tsv`;
    idle_minutes: None in archives from before it was there; signature: empty in those, too.
    """

    format: int
    slug: str
    name: str
    time_zone: str
    plan: str
    mfa_required: bool
    idle_minutes: _Minutes | None = None
    archived_at: str
    migrations: str
    tables: list[str]
    signature: str = ""

    @classmethod
    def of(cls, factory: Factory, *, tables: list[str]) -> Self:
        """What is true of a factory now, signed."""
        unsigned = cls(
            format=FORMAT,
            slug=factory.slug,
            name=factory.name,
            time_zone=factory.time_zone,
            plan=factory.plan.slug if factory.plan else "",
            mfa_required=factory.mfa_required,
            idle_minutes=factory.idle_minutes,
            archived_at=clock.now().isoformat(),
            migrations=migrations_fingerprint(),
            tables=tables,
        )
        return msgspec.structs.replace(unsigned, signature=Signer(salt=_SALT).signature(unsigned._signed()))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Raises ArchiveVersionError and ArchiveInvalidError."""
        try:
            version = msgspec.json.decode(content, type=_Version)
            # First: an archive of another version may say other things of itself.
            if version.format != FORMAT or version.migrations != migrations_fingerprint():
                raise ArchiveVersionError(
                    _("This archive was written by another version: restore it with that one, and upgrade afterwards.")
                )
            return msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError as error:
            told = _("This is no archive of a factory, or it is damaged: %(why)s") % {"why": error}
            raise ArchiveInvalidError(told) from error

    @property
    def proved(self) -> bool:
        """Whether an installation with our secret, or one before it, wrote these very lines."""
        try:
            Signer(salt=_SALT).unsign(f"{self._signed()}:{self.signature}")
        except BadSignature:
            return False
        return True

    def to_bytes(self) -> bytes:
        """As it stands in the archive: JSON that a person can read."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    def _signed(self) -> str:
        """All of it but the signature, in one order."""
        fields: dict[str, Any] = msgspec.structs.asdict(msgspec.structs.replace(self, signature=""))
        return msgspec.json.encode(fields, order="sorted").decode()
