"""What is wrong: rules people wrote, models the machine's own history taught, and the alerts both raise."""

from anomalies.models.alerts import OPEN_STATES, Alert, AlertEvent, AlertState, Evidence
from anomalies.models.detectors import DetectorModel, HealthStatus, MachineHealth
from anomalies.models.notifications import Notification, NotificationState
from anomalies.models.rules import Operator, Rule, Severity

__all__ = [
    "OPEN_STATES",
    "Alert",
    "AlertEvent",
    "AlertState",
    "DetectorModel",
    "Evidence",
    "HealthStatus",
    "MachineHealth",
    "Notification",
    "NotificationState",
    "Operator",
    "Rule",
    "Severity",
]
