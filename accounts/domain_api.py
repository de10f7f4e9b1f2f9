"""/api/v1/factory/domain: the factory's own host name."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.factory_changes import domain_enter, domain_prove, domain_remove
from accounts.paging import checked
from accounts.people import person_asking
from accounts.permissions import FACTORY, requires
from tenants.addresses import factory_host
from tenants.models import Factory
from tenants.own_domain import PROOF_PATH, domain_claim, own_domain


class DomainProofSerializer(serializers.Serializer[Any]):
    """What proves a name, either of them."""

    domain = serializers.CharField()
    cname = serializers.CharField(help_text="What the name is to be an alias (CNAME) of,")
    url = serializers.CharField(help_text="or the address that is to show")
    token = serializers.CharField(help_text="this line.")


class OwnDomainSerializer(serializers.Serializer[Any]):
    """The name that answers, and the one that waits for its proof."""

    domain = serializers.CharField(allow_null=True)
    waiting = DomainProofSerializer(allow_null=True)


class DomainEntrySerializer(serializers.Serializer[Any]):
    """A host name."""

    domain = serializers.CharField(max_length=253, help_text="Such as `pulse.mill.example`.")


def _answer(factory: Factory) -> Response:
    claim = domain_claim(factory)
    waiting = claim and {
        "domain": claim.domain,
        "cname": factory_host(factory.slug),
        "url": f"https://{claim.domain}{PROOF_PATH}",
        "token": claim.token,
    }
    return Response(OwnDomainSerializer({"domain": own_domain(factory) or None, "waiting": waiting}).data)


class DomainView(APIView):
    """The factory's own host name."""

    permission_classes = (requires(FACTORY),)

    @extend_schema(operation_id="factory_domain_read", responses=OwnDomainSerializer)
    def get(self, request: Request) -> Response:
        """What answers, what waits, and what would prove it."""
        return _answer(request.tenant)  # type: ignore[attr-defined]  # FactoryMiddleware's

    @extend_schema(operation_id="factory_domain_enter", request=DomainEntrySerializer, responses=OwnDomainSerializer)
    def put(self, request: Request) -> Response:
        """Enter a name; the one before answers until this one is proved."""
        factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
        wanted = checked(DomainEntrySerializer(data=request.data))
        domain_enter(actor=person_asking(request), factory=factory, name=wanted["domain"])
        return _answer(factory)

    @extend_schema(operation_id="factory_domain_remove", responses={204: None})
    def delete(self, request: Request) -> Response:
        """The name answers no more, nor waits for its proof."""
        factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
        domain_remove(actor=person_asking(request), factory=factory)
        return Response(status=204)


class DomainCheckView(APIView):
    """The proof of the name that waits."""

    permission_classes = (requires(FACTORY),)

    @extend_schema(operation_id="factory_domain_check", request=None, responses=OwnDomainSerializer)
    def post(self, request: Request) -> Response:
        """Look for it now; 409 while neither proof is found."""
        factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
        domain_prove(actor=person_asking(request), factory=factory)
        return _answer(factory)
