"""A process that takes whatever it gets of one factory's rate, for some seconds, and prints how much that was."""

import sys
import time

import django

django.setup()

from telemetry.ingest.rate import TokenBucket  # noqa: E402  # after the setup
from telemetry.ingest.rate_sharing import RateSharing  # noqa: E402


def main(slug: str, rate: float, seconds: float) -> None:
    bucket, sharing = TokenBucket(rate=rate, burst=rate / 10), RateSharing()
    print("ready", flush=True)
    sys.stdin.readline()
    taken, began_s = 0, time.monotonic()
    while time.monotonic() - began_s < seconds:
        sharing.touch(slug, bucket)
        if bucket.wait_s() > 0:
            time.sleep(0.002)
        else:
            bucket.charge(10)
            taken += 10
    print(taken, began_s, time.monotonic(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
