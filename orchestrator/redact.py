"""Text from elsewhere (names, error messages), made harmless for a terminal, and without the secrets that it may quote.

Control characters could move the cursor, change the title or hide a line; bidirectional overrides could show a text in
another order than it has. They are shown as escapes instead.
"""

import re
from collections.abc import Mapping
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


# password=…, "token": "…", PGPASSWORD=…, password 'x', p_token => 'x'; quoted as libpq, JSON or SQL quote it. A
# statement that was cut may lack the quote at its end.
_NAMED_SECRET = re.compile(
    r"""((?:password|passwd|secret|token|api_?key)["']?\s*(?:=>|:=|[=:]|(?=\s[Ee]?['$]))\s*)"""
    r"""([Ee]?'(?:[^'\\]|\\.|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\3\$|$)|"(?:[^"\\]|\\.)*"|[^\s,;&"'}]+)""",
    re.IGNORECASE | re.DOTALL,
)
# the password of scheme://user:password@host; it may hold an @ itself
_PASSWORD_IN_URL = re.compile(r"(://[^/@:\s]*:)[^\s/]+(?=@)")


def redact(text: str) -> str:
    """Passwords and tokens that stand in a text by their names or in an address are shown as …"""
    return _PASSWORD_IN_URL.sub(r"\1…", _NAMED_SECRET.sub(r"\1…", text))


def redact_in(value: Any) -> Any:
    """The same for all texts in an object of JSON."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_in(item) for key, item in value.items()}
    return [redact_in(item) for item in value] if isinstance(value, list | tuple) else value


# @everyone, @here, <!channel>, <@U0123>: what Slack, Discord and the like would call people by
_MENTION = re.compile(r"@(?=everyone|here|channel|all\b)|<(?=[@!#&])", re.IGNORECASE)


def without_mentions(text: str) -> str:
    """For a chat: a zero-width space keeps a name from being a mention."""
    return _MENTION.sub(lambda match: f"{match.group()}\u200b", text)


def one_line(text: str) -> str:
    """For a cell of a table or a field of a log line: no control characters, line ends neither."""
    return _CONTROL.sub(_escape, text)


def lines(text: str) -> str:
    """For a text of several lines, which stay lines, tabs too; also for JSON, where \\uXXXX is the same."""
    return _CONTROL_IN_LINES.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
