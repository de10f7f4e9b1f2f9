"""Devices' requests go from the factory straight to their view: no session, language or page header is theirs."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common.errors import DomainError
from factorypulse.api_errors import domain_answer
from telemetry.urls_ingest import DEVICE_DOORS


class DeviceDoorsMiddleware:
    """Answers the device doors; everything else goes on. Stands behind FactoryMiddleware, which names the factory."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = DEVICE_DOORS.get(request.path_info)
        if view is None:
            return self.get_response(request)
        try:
            return view(request)
        except DomainError as error:
            return domain_answer(request, error)
