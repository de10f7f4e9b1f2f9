"""Where a factory answers: which names may be taken, and absolute URLs."""

import re

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import ConflictError, InvalidInputError
from tenants.models import SLUG_PATTERN, Factory

# Names that the service itself uses or may come to use, that mail and browsers give a meaning to, or that a stranger
# would take for ours. One word a name; hyphenated forms of the same words are refused too (see _is_reserved).
RESERVED = frozenset(
    """
    about abuse access account accounts admin administrator alert alerts analytics api apis app apps assets auth
    autoconfig autodiscover backup backups beta billing blog broadcasthost broker cache cdn cert certificate
    chat ci client cloud code community conference config connect console contact contract control cp dashboard
    data database db debug demos dev devel development device devices dns doc docs documentation download
    downloads email error errors events example exchange f factories factory factorypulse faq feed file files
    forum forums fp ftp gateway git github gitlab go grafana graphql health healthcheck help home host hosting
    hostmaster http https icon id image images imap img import influx influxdb info ingest internal intranet
    invite invoice iot ipv4 ipv6 irc isatap isp issue issues java jobs js kubernetes landing ldap legal license
    list lists live load local localdomain localhost log login logout logs m mail mail1 mailbox mailer
    mailerdaemon marketing master me media metric metrics mobile monitor monitoring mosquitto mqtt mqtts mx mx1
    mx2 my mysql name network new news nobody noc node none noreply ns ns1 ns2 ns3 ns4 ntp null oauth office
    openid operations ops order orders owner page pages panel partner partners password pay payment payments
    people ping plan plans pop pop3 portal post postgres postgresql postmaster press preview pricing privacy
    private prod production profile prometheus promo proxy public pulse purchase queue raw ready redirect redis
    register registration release replay reports reset robots root rss rules sale sales sandbox schema search
    secure security self send sentry server servers service services session settings setup shop signin signup
    simulator site sitemap sites smtp socket sql ssh ssl sso staff stage staging start stat static statistics
    stats status store subdomain subscribe superuser support survey svn swagger sync sys sysadmin system team
    telegraf telemetry template tenant tenants terms ticket tls token tools trial tutorial undefined unsubscribe
    update updates upload uploads usenet user username users uucp valkey video void vpn web webdisk webhook
    webhooks webmail webmaster websocket welcome whois wiki wpad ws wss www www1 www2 www3 xml you your
    """.split()  # noqa: SIM905  # a list of three hundred quoted words reads worse
)
_TRAILING_NUMBER = re.compile(r"-?\d+$")


class FactoryAddressInvalidError(InvalidInputError):
    """The address can't be a host name's first part."""

    code = "factory_address_invalid"


class FactoryAddressReservedError(InvalidInputError):
    """The address belongs to the service."""

    code = "factory_address_reserved"


class FactoryAddressTakenError(ConflictError):
    """Another factory has the address."""

    code = "factory_address_taken"


def address_check(slug: str) -> None:
    """Refuse an address that can't or may not be a factory's; whether it is taken, only the database can say.

    Raises FactoryAddressInvalidError, FactoryAddressReservedError.
    """
    # fullmatch, because "$" alone would let a trailing line break pass.
    if not re.fullmatch(SLUG_PATTERN, slug) or "--" in slug:
        raise FactoryAddressInvalidError(
            _("Use up to 40 small letters, digits and single hyphens; begin with a letter, don't end with a hyphen.")
        )
    if _is_reserved(slug):
        raise FactoryAddressReservedError(_("“%(slug)s” is reserved. Choose another address.") % {"slug": slug})


def _is_reserved(slug: str) -> bool:
    plain = slug.replace("-", "")
    return plain in RESERVED or _TRAILING_NUMBER.sub("", slug) in {"www", "ns", "mx", "mail", "api", "admin", "static"}


def factory_host(slug: str) -> str:
    """The host name of a factory, without port."""
    return f"{slug}.{settings.DOMAIN_HOST}"


def factory_url(factory: Factory | str, path: str = "/") -> str:
    """Absolute URL of a path on a factory's host."""
    slug = factory if isinstance(factory, str) else factory.slug
    return f"{settings.PUBLIC_SCHEME}://{slug}.{settings.DOMAIN}{path}"


def public_url(path: str = "/") -> str:
    """Absolute URL of a path on the public site."""
    return f"{settings.PUBLIC_SCHEME}://{settings.DOMAIN}{path}"
