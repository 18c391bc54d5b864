"""Delivering alerts to where people see them: in this form, the driver's log."""

from orchestrator import db
from orchestrator.log import get_logger

log = get_logger("ERROR")


def deliver_due(conn: db.Connection) -> int:
    """Log each open alert that nobody was told of yet; returns how many."""
    alerts = db.call(conn, "alerts_to_deliver")
    for alert in alerts:
        tell = log.error if alert["severity"] == "critical" else log.warning
        tell(
            "alert",
            alert_id=alert["alert_id"],
            code=alert["code"],
            subject=alert["subject"],
            severity=alert["severity"],
            message=alert["message"],
            detail=alert["detail"],
            opened_at=alert["opened_at"].isoformat(),
        )
        db.call(conn, "mark_alert_delivered", alert_id=alert["alert_id"])
    return len(alerts)
