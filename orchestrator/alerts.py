"""Delivering alerts to where people see them: in this form, the driver's log."""

from datetime import datetime
from typing import Any

from orchestrator import db
from orchestrator.log import get_logger

log = get_logger("ERROR")


def deliver_due(conn: db.Connection) -> int:
    """Log each alert that was opened or closed since the last time; returns how many."""
    alerts = db.call(conn, "alerts_to_deliver")
    for alert in alerts:
        if alert["resolved_at"] is not None:
            tell, event = log.info, "alert resolved"
        else:
            tell, event = (log.error if alert["severity"] == "critical" else log.warning), "alert"
        tell(event, **{key: _text(value) for key, value in alert.items() if value is not None})
        db.call(conn, "mark_alert_delivered", alert_id=alert["alert_id"])
    return len(alerts)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
