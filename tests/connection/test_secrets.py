"""Nothing that this program writes holds a password or a token (R2.4)."""

import pytest
from psycopg.types.json import Jsonb

from orchestrator.errors import OrchestratorError
from orchestrator.redact import LONGEST_ARGUMENT, redact, redact_argument, redact_error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=db password=hush dbname=x", "host=db password=… dbname=x"),
        ("password='hu sh\\'x' dbname=x", "password=… dbname=x"),
        ('{"password": "hush", "user": "me"}', '{"password": …, "user": "me"}'),
        ("{'password': 'hush'}", "{'password': …}"),
        ("PGPASSWORD=hush psql", "PGPASSWORD=… psql"),
        ("SSLPassword: hush", "SSLPassword: …"),
        ("https://x.example/hook?token=hush&y=1", "https://x.example/hook?token=…&y=1"),
        ("postgresql://me:hush@db/x", "postgresql://me:…@db/x"),
        ("postgresql://me:hu@sh@db/x", "postgresql://me:…@db/x"),
        ("mailtos://me:hush@smtp.example.org", "mailtos://…"),
        ("icy://hush@radio.example/live", "icy://…@radio.example/live"),
        ("http://radio.example:8000/live@128", "http://radio.example:8000/live@128"),
        ("check the user and password (PGPASSWORD or the password file)", None),
    ],
)
def test_secrets_are_shown_as_an_ellipsis(text: str, shown: str | None) -> None:
    assert redact(text) == (shown or text)


def test_no_error_holds_one() -> None:
    error = OrchestratorError(
        "cannot use postgresql://me:hush@db/x",
        detail={"given": ["password=hush"], "in": {"conninfo": "host=db password=hush"}, "port": 5432},
    )

    assert "hush" not in f"{error} {error.message} {error.detail}"
    assert error.detail == {"given": ["password=…"], "in": {"conninfo": "host=db password=…"}, "port": 5432}


def test_an_error_is_one_line_and_never_empty() -> None:
    assert (
        redact_error(ValueError("cannot open\n  http://me:hush@radio.example/ "))
        == "cannot open http://me:…@radio.example/"
    )
    assert redact_error(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("instance_id", "fingerv7-001", "fingerv7-001"),
        ("epoch", 7, 7),
        ("for", None, None),
        ("dsn", "host=db", "…"),
        ("api_key", "hush", "…"),
        ("url", "http://radio.example/?auth=hush&sig=hush", "http://radio.example/?auth=…&sig=…"),
        ("streams", [1, 2, 3], [1, 2, 3]),
        ("streams", list(range(11)), "11 items"),
        ("failed", [{"error": "password=hush", "stream_id": 1}], [{"error": "password=…", "stream_id": 1}]),
        ("metadata", {"host": "a", "in": {"Password": "hush"}}, '{"host": "a", "in": {"Password": …}}'),
        ("report", Jsonb({"token": "hush"}), '{"token": …}'),
        ("long", "x" * 1000, "x" * LONGEST_ARGUMENT + "…"),
        ("failed", [{"error": "x" * 1000}], '[{"error": "' + "x" * (LONGEST_ARGUMENT - 12) + "…"),
    ],
)
def test_an_argument_of_a_call_is_logged_short_and_without_secrets(name: str, value: object, shown: object) -> None:
    assert redact_argument(name, value) == shown
