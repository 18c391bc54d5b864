from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.alerts.receivers import Mailbox, Webhook
from tests.driver.conftest import Jobs
from tests.driver.conftest import jobs as jobs
from tests.driver.conftest import start_driver as start_driver


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook().running() as webhook:
        yield webhook


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    """A mail server and its address."""
    mailbox = Mailbox()
    with mailbox.running() as url:
        yield mailbox, url


OpenAlert = Callable[..., None]


@pytest.fixture
def open_alert(jobs: Jobs) -> OpenAlert:
    """Opens an alert and asks for its delivery, which is otherwise not due."""
    db.call(jobs.conn, "set_setting", name="alert_message_interval", value="0 seconds")

    def open_(subject: str, *, code: str = "source_lost", severity: str = "critical", **detail: Any) -> None:
        jobs.execute(
            "select {private}.open_alert(%s, %s, %s, %s, %s)",
            code,
            subject,
            severity,
            f"the source {subject} is lost",
            Jsonb(detail),
        )
        db.call(jobs.conn, "request_job", job="deliver_alerts")

    return open_
