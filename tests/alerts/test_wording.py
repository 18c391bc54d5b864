"""What people read."""

from datetime import timedelta

from orchestrator.alerts.wording import MOST_EVENTS, compose
from tests.alerts.test_targets import NOW, an_event


def test_the_worst_comes_first_and_gives_the_title() -> None:
    message = compose(
        "orchestrator",
        [
            an_event(alert_id=1, severity="warning", event="resolved", resolved_at=NOW + timedelta(minutes=5)),
            an_event(alert_id=2, severity="warning", message="streams wait"),
            an_event(alert_id=3, message="no instance is active"),
        ],
    )

    assert message.title == "[orchestrator] CRITICAL opened: no instance is active (and 2 more)"
    assert message.text.index("no instance is active") < message.text.index("streams wait")
    assert "over since" in message.text
    assert message.severity == "critical"
    assert not message.is_over


def test_a_message_of_good_news_only_says_so() -> None:
    message = compose("orchestrator", [an_event(event="resolved", resolved_at=NOW)])

    assert message.is_over
    assert message.title.startswith("[orchestrator] CRITICAL resolved:")
    assert "Acknowledge" not in message.text


def test_many_events_are_counted_and_not_told() -> None:
    events = [an_event(alert_id=n, message=f"thing {n} is wrong") for n in range(MOST_EVENTS + 30)]

    message = compose("orchestrator", events)

    assert message.text.count("is wrong") == MOST_EVENTS
    assert "and 30 more" in message.text
    assert len(message.short) < 300


def test_what_comes_from_elsewhere_stays_on_its_line_and_does_nothing() -> None:
    nasty = "Radio\x1b[2J\n@everyone <!channel> \u202egnp.exe password=hush"

    message = compose("orchestrator", [an_event(subject=nasty, message=nasty, detail={"name": nasty})])

    for text in (message.title, message.text, message.html, message.short):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "hush" not in text
        assert "@everyone" not in text
        assert "<!channel" not in text
    assert "\n" not in message.title
    assert "\n" not in message.short


def test_values_are_escaped_in_markup_and_nowhere_else() -> None:
    message = compose("orchestrator", [an_event(detail={"stream": {"name": "<b>Rock & Roll</b>"}})])

    assert "<b>Rock & Roll</b>" in message.text
    assert "&lt;b&gt;Rock &amp; Roll" in message.html
    assert "<b>Rock" not in message.html
