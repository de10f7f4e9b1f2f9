"""What is wrong: rules people wrote, models the machine's own history taught, and the alerts both raise."""

from anomalies.models.alerts import (
    HIDDEN_STATES,
    OPEN_STATES,
    Alert,
    AlertEvent,
    AlertFamily,
    AlertGroup,
    AlertState,
    Evidence,
    TimelineError,
    Verdict,
)
from anomalies.models.detectors import DetectorModel, HealthStatus, MachineHealth
from anomalies.models.maintenance import MachineService, MaintenanceWindow
from anomalies.models.notifications import Notification, NotificationState
from anomalies.models.rules import Operator, Rule, Severity

__all__ = [
    "HIDDEN_STATES",
    "OPEN_STATES",
    "Alert",
    "AlertEvent",
    "AlertFamily",
    "AlertGroup",
    "AlertState",
    "DetectorModel",
    "Evidence",
    "HealthStatus",
    "MachineHealth",
    "MachineService",
    "MaintenanceWindow",
    "Notification",
    "NotificationState",
    "Operator",
    "Rule",
    "Severity",
    "TimelineError",
    "Verdict",
]
