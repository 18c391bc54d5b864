"""Nothing that this program writes holds a password or a token (R2.4)."""

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.redact import redact


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
