"""A key may be for some machines alone: what it says of others is refused, reading by reading."""

import numpy as np

from telemetry.ingest.columns import ParsedPayload
from telemetry.ingest.refusals import Rejection

CODE = "machine_not_of_key"
_DETAIL = "this key is not for this machine"


def machines_check(parsed: ParsedPayload, machines: frozenset[str]) -> ParsedPayload:
    """The readings of these machines, the others among the rejected. machines: empty for all."""
    if not machines or all(machine in machines for machine, _metric in parsed.batch.keys):
        return parsed
    good = np.array([machine in machines for machine, _metric in parsed.batch.keys], np.bool_)[parsed.batch.codes]
    refused = []
    for at in np.flatnonzero(~good).tolist():
        machine, metric = parsed.batch.keys[parsed.batch.codes[at]]
        refused.append(Rejection(int(parsed.index[at]), metric, CODE, _DETAIL, machine))
    return ParsedPayload(parsed.batch.only(good), [*parsed.rejected, *refused], parsed.index[good])
