"""One body through one door, as often as it takes: what the backfill and a replay do alike."""

import itertools
import logging
from threading import Event

from factorypulse.dev.plant.doors import Door, DoorClosedError, Receipt

log = logging.getLogger("plant.delivery")


def deliver(body: bytes, door: Door, stop: Event, *, name: str) -> Receipt | None:
    """Send until the server has it, waiting where it says so; None when `stop` was set before."""
    for attempt in itertools.count():
        if stop.is_set():
            return None
        try:
            return door.send(body)
        except DoorClosedError as error:
            if attempt == 3 and error.retry_after_s is None:
                log.warning("%s: %s; trying again", name, error)
            stop.wait(error.retry_after_s or min(10.0, 0.5 * 2**attempt))
    raise AssertionError("the count never ends")
