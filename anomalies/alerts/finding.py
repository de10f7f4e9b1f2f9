"""What a rule, a detector or a check has found: the one thing that alerts are raised from."""

from dataclasses import dataclass, field
from datetime import datetime

from anomalies.models import Evidence, Rule
from telemetry.models import Machine


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule, a detector or a check found wrong with a machine.

    cause: “detector”, “rule:<id>”, “silence”, “stuck:<metric>” or “missing:<metric>”; one open alert each.
    since_at: event time of the first sign. evidence: see `anomalies.models.Alert`.
    found_at: event time of the reading that settled it; where that lies well before now, the data came late and the
    alert is marked retroactive. None where there is no such reading (silence).
    """

    machine: Machine
    cause: str
    severity: str
    title: str
    summary: str
    since_at: datetime
    evidence: Evidence = field(default_factory=dict)
    rule: Rule | None = None
    found_at: datetime | None = None
