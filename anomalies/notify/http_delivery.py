"""A message handed over by HTTP, and what each kind of answer means for the outbox."""

from collections.abc import Mapping

from anomalies.notify.delivery import DeliveryError
from anomalies.notify.safe_http import AddressRefusedError, Answer, CallFailedError, post

_SHOWN = 120
_TRY_LATER = frozenset({408, 409, 423, 425, 429})


def deliver(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """POST a message; the answer where it was taken (2xx). Raises DeliveryError."""
    try:
        answer = post(url, body, headers)
    except AddressRefusedError as error:
        raise DeliveryError(error.detail, final=True) from error
    except CallFailedError as error:
        raise DeliveryError(str(error)) from error
    if 200 <= answer.status < 300:
        return answer
    raise refusal(answer)


def refusal(answer: Answer) -> DeliveryError:
    """What a refusal means: 4xx is about this message, 429 and 5xx are about the moment. Redirects are not followed."""
    said = answer.body[:_SHOWN].decode("utf-8", "replace").strip()
    reason = f"HTTP {answer.status}" + (f": {said}" if said else "")
    if 300 <= answer.status < 400:
        return DeliveryError(f"{reason} (a redirect, which is not followed)", final=True)
    final = 400 <= answer.status < 500 and answer.status not in _TRY_LATER
    return DeliveryError(reason, final=final, retry_after_s=_retry_after(answer.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdigit():
            return float(value)
    return None
