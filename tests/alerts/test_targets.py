"""One message to one target, really sent: what arrives, and what is made of the answer."""

import socket
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.alerts import targets
from orchestrator.alerts.targets import VARIABLE, AppriseTarget, UnusableTarget, send_test, target_named, targets_of
from orchestrator.errors import UnknownName
from tests.alerts.receivers import TOKEN, Mailbox, Webhook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def an_event(**more: Any) -> dict[str, Any]:
    return {
        "alert_id": 7,
        "code": "source_lost",
        "subject": "prod",
        "severity": "critical",
        "message": "the source could not be synchronised 3 times in a row",
        "detail": {"last_error": {"message": "no answer"}},
        "event": "opened",
        "opened_at": NOW,
        "happened_at": NOW,
        "acknowledged_by": None,
        "resolved_at": None,
        "event_id": None,
    } | more


def send(url: str, network_timeout: float = 10.0) -> targets.Answer:
    return AppriseTarget("ops", url).send("orchestrator", [an_event()], network_timeout=network_timeout)


def test_a_webhook_gets_title_text_and_kind(webhook: Webhook) -> None:
    assert send(webhook.url).outcome == "sent"

    [message] = webhook.messages
    assert message["title"] == "[orchestrator] CRITICAL opened: the source could not be synchronised 3 times in a row"
    assert "alert 7, source_lost of prod" in message["message"]
    assert "orchestrator alerts ack 7" in message["message"]
    assert message["type"] == "failure"


def test_a_webhook_that_refuses_is_certain_and_its_address_stays_out(webhook: Webhook) -> None:
    webhook.behaviour = "refuse"

    answer = send(webhook.url)

    assert answer.outcome == "refused"
    assert "500" in answer.words
    assert TOKEN not in answer.words


def test_a_webhook_that_does_not_answer_in_time_leaves_it_unknown(webhook: Webhook) -> None:
    """It may have been told: sending again could tell it twice."""
    webhook.behaviour = "hang"

    answer = send(webhook.url, network_timeout=0.3)

    assert answer.outcome == "unknown"
    assert "ReadTimeout" in answer.words
    assert TOKEN not in answer.words


def test_a_webhook_that_dies_in_the_middle_leaves_it_unknown(webhook: Webhook) -> None:
    webhook.behaviour = "die"

    assert send(webhook.url).outcome == "unknown"
    assert len(webhook.messages) == 1


def test_that_no_instance_is_there_is_certain() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"json://127.0.0.1:{free.getsockname()[1]}/{TOKEN}"

    answer = send(url)

    assert answer.outcome == "refused"
    assert TOKEN not in answer.words


def test_a_name_that_does_not_exist_is_certain() -> None:
    assert send("json://nowhere.invalid/hook", network_timeout=3).outcome == "refused"


def test_mail_arrives_as_text(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox

    assert send(url).outcome == "sent"

    [mail] = box.mails
    assert mail["to"] == "night@example.org"
    assert mail["subject"].startswith("[orchestrator] CRITICAL opened:")
    assert "alert 7, source_lost of prod" in mail.get_content()


def test_mail_that_wants_markup_gets_it_and_no_foreign_one(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    event = an_event(subject="<b>Rádio</b> & more", message="<script>alert(1)</script>")

    AppriseTarget("ops", f"{url}&format=html").send("orchestrator", [event], network_timeout=10)

    [mail] = box.mails
    markup = mail.get_body(("html",))
    assert markup is not None
    assert "<b>CRITICAL opened: &lt;script&gt;" in markup.get_content()
    assert "<script>" not in markup.get_content()


def test_mail_that_is_refused_is_certain(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    box.refusal = "552 too much of it"

    answer = send(url)

    assert answer.outcome == "refused"


def test_a_mail_server_that_hangs_up_after_the_text_leaves_it_unknown() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"mailto://127.0.0.1:{server.getsockname()[1]}?from=a@example.org&to=b@example.org"
        with subprocess.Popen([sys.executable, "-c", _RUDE_SERVER], stdin=server.fileno()) as rude:
            answer = send(url)
            assert rude.wait(10) == 0

    assert answer.outcome == "unknown"


_RUDE_SERVER = """
import socket
server = socket.socket(fileno=0)
conn, _ = server.accept()
lines = conn.makefile("rwb", buffering=0)
lines.write(b"220 welcome\\r\\n")
while True:
    line = lines.readline().upper()
    if line.startswith(b"DATA"):
        lines.write(b"354 go on\\r\\n")
        while lines.readline() != b".\\r\\n":
            pass
        break
    lines.write(b"250 fine\\r\\n")
conn.shutdown(2)
"""


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#radio", "Slack"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        ("mailtos://orchestrator@smtp.example.org?to=night@example.org", "E-Mail"),
        ("jsons://hooks.example.org/orchestrator", "JSON"),
    ],
)
def test_the_address_forms_of_the_handbook_are_understood(url: str, service: str) -> None:
    """Apprise gives Slack and Discord no other host, so nothing is sent here: only the addresses are read."""
    target = AppriseTarget("ops", url)

    assert service in str(target._service.service_name)


def test_an_address_that_cannot_be_used_says_so_without_showing_it() -> None:
    usable, unusable = targets_of({f"{VARIABLE}OPS": f"nonsense://{TOKEN}/", f"{VARIABLE}EMPTY": " "})

    assert set(usable) == {"log"}
    assert set(unusable) == {"ops"}
    assert "ORCHESTRATOR_ALERT_URL_OPS" in str(unusable["ops"].detail)
    assert TOKEN not in f"{unusable['ops']} {unusable['ops'].detail} {unusable['ops'].hint}"


def test_a_target_without_an_address_here_says_which_variable_is_missing() -> None:
    with pytest.raises(UnknownName) as refused:
        target_named("night_shift", {})

    assert refused.value.detail == {"target": "night_shift", "variable": "ORCHESTRATOR_ALERT_URL_NIGHT_SHIFT"}


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(UnusableTarget) as refused:
        target_named("ops", {f"{VARIABLE}OPS": "json://example.org"})

    assert "radio-orchestrator[alerts]" in str(refused.value.hint)
    assert set(targets_of({})[0]) == {"log"}


def test_a_test_message_is_really_sent(webhook: Webhook) -> None:
    answer = send_test("ops", {f"{VARIABLE}OPS": webhook.url}, fleet="orchestrator")

    assert answer.outcome == "sent"
    assert "this is a test" in webhook.messages[0]["message"]


def test_no_part_of_an_address_but_the_host_is_ever_said() -> None:
    url = f"jsons://me:{TOKEN}@hooks.example.org:8443/{TOKEN}-2/x?key={TOKEN}-3#{TOKEN}-4"
    target = AppriseTarget("ops", url)

    said = target._harmless(f"failed for {url}: hooks.example.org {TOKEN}-3 and {TOKEN}-2 of me:{TOKEN}")

    assert TOKEN not in said
    assert "hooks.example.org" in said
