"""A factory's own host name beside its address here: entered, proved, answered for, and gone with the factory.

Two proofs, each bound to one factory: the name is an alias (CNAME) of the factory's address here, or a web server that
answers for the name already shows the claim's token. Pointing a name at us proves nothing by itself, since all
factories share our addresses; that is why we never answer the token ourselves.
"""

import re
import secrets
from collections.abc import Callable
from socket import AI_CANONNAME, getaddrinfo

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, schema_context

from common.errors import ConflictError, InvalidInputError
from tenants.addresses import factory_host
from tenants.hosts import hosts_forget
from tenants.models import Domain, DomainClaim, Factory
from tenants.requests import is_ip_address

_log = structlog.get_logger(__name__)
PROOF_PATH = "/.well-known/factorypulse.txt"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# Names that never stand in public DNS, or that mean another machine to whoever asks (RFC 6761, 6762, 7686, 9476).
_NOWHERE = frozenset(
    "alt arpa example internal intranet invalid lan local localdomain localhost onion test".split()  # noqa: SIM905  # plainer
)
# The floor with the client that does not reach into our own network leaves here how to fetch; returns at most 64 KiB.
Fetch = Callable[[str], bytes]
_fetchers: list[Fetch] = []


class DomainInvalidError(InvalidInputError):
    """No host name of the public internet."""

    code = "domain_invalid"


class DomainReservedError(InvalidInputError):
    """The name belongs to this service, or means something to every machine."""

    code = "domain_reserved"


class DomainTakenError(ConflictError):
    """Another factory has proved that it is theirs."""

    code = "domain_taken"


class DomainUnprovenError(ConflictError):
    """Neither proof was found."""

    code = "domain_unproven"


def fetch_by(fetch: Fetch) -> None:
    """Leave word of how to fetch an address that a customer chose. fetch raises OSError or DomainError."""
    _fetchers[:] = [fetch]


def domain_normal(text: str) -> str:
    """A host name as browsers send it: small letters, ASCII. Raises DomainInvalidError, DomainReservedError.

    >>> domain_normal(" Pulse.Młyn.PL. ")
    'pulse.xn--myn-hwa.pl'
    """
    try:
        name = text.strip().rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError as error:
        raise DomainInvalidError(_("This is no host name.")) from error
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or is_ip_address(name) or labels[-1].isdigit():
        raise DomainInvalidError(_("Use a whole host name such as pulse.mill.example, without http:// and path."))
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise DomainInvalidError(_("Use a whole host name such as pulse.mill.example, without http:// and path."))
    ours = settings.DOMAIN_HOST
    within = {".".join(labels[number:]) for number in range(len(labels))}
    if ours in within or ours.endswith(f".{name}") or (within & _NOWHERE and not settings.TRIAL):
        raise DomainReservedError(_("“%(name)s” can't be a factory's own.") % {"name": name})
    return name


def own_domain(factory: Factory) -> str:
    """The proved name, or nothing."""
    with schema_context(get_public_schema_name()):
        found = Domain.objects.filter(tenant=factory, is_primary=False).values_list("domain", flat=True).first()
    return found or ""


def domain_claim(factory: Factory) -> DomainClaim | None:
    """What waits for its proof."""
    with schema_context(get_public_schema_name()):
        return DomainClaim.objects.filter(factory=factory).first()


def own_domain_claim(factory: Factory, text: str) -> DomainClaim:
    """Say that a name is this factory's; the proof is still to come. Entered again, its token stays.

    Raises DomainInvalidError, DomainReservedError, DomainTakenError.
    """
    name = domain_normal(text)
    with schema_context(get_public_schema_name()), transaction.atomic():
        if Domain.objects.filter(domain=name).exists():
            raise _taken(name)
        claim, _made = DomainClaim.objects.select_for_update().get_or_create(
            factory=factory, defaults={"domain": name, "token": _token()}
        )
        if claim.domain != name:
            claim.domain, claim.token = name, _token()
            claim.save(update_fields=["domain", "token"])
    return claim


def own_domain_prove(factory: Factory) -> str:
    """Look for a proof of what was claimed; found, the name answers for the factory from now on. Returns the name.

    Raises DomainUnprovenError, DomainTakenError.
    """
    claim = domain_claim(factory)
    if claim is None:
        raise DomainUnprovenError(_("Enter the name first."))
    if not (_is_alias(claim.domain, factory) or _shows_token(claim)):
        raise DomainUnprovenError(
            _("Neither the alias nor the file was found at %(name)s. New DNS records may take an hour to be seen.")
            % {"name": claim.domain}
        )
    try:
        with schema_context(get_public_schema_name()), transaction.atomic():
            Domain.objects.filter(tenant=factory, is_primary=False).delete()
            Domain.objects.create(domain=claim.domain, tenant=factory, is_primary=False)
            DomainClaim.objects.filter(pk=claim.pk).delete()
    except IntegrityError as error:
        raise _taken(claim.domain) from error
    hosts_forget()
    _log.info("own_domain_proved", factory=factory.slug, domain=claim.domain)
    return claim.domain


def own_domain_remove(factory: Factory) -> str:
    """The name answers no more, nor waits for its proof; every process has forgotten it within a second.

    Returns what it was, or nothing.
    """
    with schema_context(get_public_schema_name()), transaction.atomic():
        names = list(Domain.objects.filter(tenant=factory, is_primary=False).values_list("domain", flat=True))
        names += list(DomainClaim.objects.filter(factory=factory).values_list("domain", flat=True))
        Domain.objects.filter(tenant=factory, is_primary=False).delete()
        DomainClaim.objects.filter(factory=factory).delete()
    hosts_forget()
    return names[0] if names else ""


def _is_alias(name: str, factory: Factory) -> bool:
    """Whether DNS says that the name is another one for the factory's address here."""
    try:
        found = getaddrinfo(name, None, flags=AI_CANONNAME)
    except (OSError, UnicodeError):
        return False
    return any(str(entry[3]).rstrip(".").lower() == factory_host(factory.slug) for entry in found if entry[3])


def _shows_token(claim: DomainClaim) -> bool:
    try:
        shown = [fetch(f"https://{claim.domain}{PROOF_PATH}") for fetch in _fetchers]
    except Exception as error:  # noqa: BLE001  # whatever a stranger's server did, there is no proof
        _log.info("own_domain_not_fetched", domain=claim.domain, error=str(error))
        return False
    return any(secrets.compare_digest(answer.strip(), claim.token.encode()) for answer in shown)


def _taken(name: str) -> DomainTakenError:
    return DomainTakenError(_("“%(name)s” answers for a factory already.") % {"name": name})


def _token() -> str:
    return f"factorypulse-{secrets.token_urlsafe(30)}"
