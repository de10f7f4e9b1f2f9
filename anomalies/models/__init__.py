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
from anomalies.models.detectors import DetectorModel, HealthStatus, LimitStep, MachineHealth, MetricRole, Replay
from anomalies.models.maintenance import MachineService, MaintenanceWindow
from anomalies.models.notifications import ChannelName, Notice, Notification, NotificationState, Occasion, TargetHealth
from anomalies.models.routes import (
    Escalation,
    EscalationState,
    OnCallMember,
    OnCallOverride,
    OnCallSchedule,
    Route,
    RouteStep,
)
from anomalies.models.rules import LateReadings, Rule, Severity, VibrationZones
from anomalies.models.targets import ContactPreference, NotificationTarget, PushSubscription, TargetKind

__all__ = [
    "HIDDEN_STATES",
    "OPEN_STATES",
    "Alert",
    "AlertEvent",
    "AlertFamily",
    "AlertGroup",
    "AlertState",
    "ChannelName",
    "ContactPreference",
    "DetectorModel",
    "Escalation",
    "EscalationState",
    "Evidence",
    "HealthStatus",
    "LateReadings",
    "LimitStep",
    "MachineHealth",
    "MachineService",
    "MaintenanceWindow",
    "MetricRole",
    "Notice",
    "Notification",
    "NotificationState",
    "NotificationTarget",
    "Occasion",
    "OnCallMember",
    "OnCallOverride",
    "OnCallSchedule",
    "PushSubscription",
    "Replay",
    "Route",
    "RouteStep",
    "Rule",
    "Severity",
    "TargetHealth",
    "TargetKind",
    "TimelineError",
    "Verdict",
    "VibrationZones",
]
