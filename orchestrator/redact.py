"""Text from elsewhere (names, error messages) without the secrets that it may quote, and made harmless for a terminal.

Redaction fails closed: it hides too much before it hides too little. `tests/security/planted_secrets.py` lists what
must not survive and what must stay. `sql/foundation/redact.sql` does the same in the database, where texts are kept.

Control characters could move the cursor, change the title or hide a line; bidirectional overrides could show a text in
another order than it has. They are shown as escapes instead.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST_ARGUMENT = 200
"""So many characters of an argument stand in a log."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# What ends in one of these words names a secret: PGPASSWORD, accessToken, "client_secret".
_SECRET_WORD = r"""
    (?: passwords? | passwd | passphrase | passfile | pwd | secrets? | tokens? | credentials?
    | (?:api|access|private|secret|stream|session|signing|shared|client|auth)key ) \d*"""


def _short_word(word: str, *harmless: str) -> str:
    """A word that names a secret at a boundary only: api_key and x-auth do, monkey and author do not."""
    after = rf"(?: (?<![^\W_]{word}) | (?<=%[0-9a-f]{{2}}{word}) | (?<=%25[0-9a-f]{{2}}{word}) )"
    return rf"{word} {after}" + "".join(rf"(?<!\b{before}[_-]{word})" for before in harmless)


_SHORT_WORDS = " | ".join(
    (
        _short_word("key", "p", "sort", "primary", "foreign", "lock", "cache", "partition"),
        _short_word("pass", "high", "low", "band"),
        *map(_short_word, ("auth", "authori[sz]ation", "sig", "signature")),
    )
)
# A name with an escaped letter (pass%77ord) wants to hide what it is.
_ESCAPED_NAME = r"%(?:25)* (?:[46][1-9a-f] | [57][0-9a]) (?: [\w.-] | %(?!(?:25)*3[ad]) ){0,40}+"
_SECRET_NAME = rf"(?: {_SECRET_WORD} | (?: {_SHORT_WORDS} ) \d* | {_ESCAPED_NAME} )"

# as SQL, JSON, a conninfo, a query string or an argument joins a name and its value; also url-encoded
_JOIN = r"""
    (?: \\*["'] | %(?:25)*2[27] )? \s{0,9} (?: => | := | [=:] | %(?:25)*3[ad] ) \s{0,9}"""
# The value as libpq, JSON, SQL or Python quotes it; a text that was cut lacks the quote at its end. What is not quoted
# ends at white space, or where the next name=value begins. What $$ begins is hidden to the end of the text.
_PUNCTUATION = r"""[,;&)\]}"']"""
_VALUE = rf"""
    (?> [a-z]{{0,2}}' (?: [^'\\] | \\. | '' )* (?: ' | \\?\Z )
    | " (?: [^"\\] | \\. | "" )* (?: " | \\?\Z )
    | \$\w*\$ .*
    | \\+["'] (?: [^"'\\] | \\{{1,2}}[^"'\\] | \\{{3}}. )*
    | [\[{{] [^\]}}]*
    | (?: (?:bearer|basic|digest) (?: \s | \+ | %20 ){{1,9}} )?
      (?: \\. | [^\s\\,;&)\]}}"'] | {_PUNCTUATION}+ (?=[^\s\\,;&)\]}}"']) (?! [\w.%-]{{0,60}} ["']? \s? [=:] ) )+ )"""

_NAMED_SECRET = re.compile(
    rf"( {_SECRET_WORD} \s{{1,9}} (?= [a-z]?'|\$\w*\$ ) | {_SECRET_NAME} {_JOIN} ) {_VALUE}",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_NAME_OF_SECRET = re.compile(rf"{_SECRET_NAME}\Z", re.IGNORECASE | re.VERBOSE)

_PRIVATE_KEY = re.compile(
    r"(-----BEGIN[A-Z0-9 ]{1,40}PRIVATE\ KEY) (?: [^-] | -(?!----END) )* (?: -----END[A-Z0-9 ]*----- | \Z )",
    re.IGNORECASE | re.VERBOSE,
)
# scheme://user:password@host, also url-encoded; the password may hold an @ or a / itself, but host:8000/x@y is none
_PASSWORD_IN_URL = re.compile(
    r"(://[^/@:\s\[]*+:) (?!\d{1,5}(?:[/?#;]|\Z)) (?: ([^\s@\"]++) (?:@[^\s@/\"]++(?=@))*+ (?=@) | [^\s@\"]++ )",
    re.VERBOSE,
)
# The address of a database has one @, after its login: all before the last one may be a password.
_DATABASE_URL = re.compile(r"(postgres(?:ql)?(?:://|%3a%2f%2f))(\S*)", re.IGNORECASE)
_END_OF_LOGIN = re.compile(r"@|%40")
_SPACED_PASSWORD = re.compile(
    r"(postgres(?:ql)?://[^/@:\s\[]*+:) (?!\d{1,5}(?:[/?#;\s]|\Z)) [^@\"\n]{1,200} (?=@)", re.IGNORECASE | re.VERBOSE
)
_PASSWORD_IN_ESCAPED_URL = re.compile(r"(%3a%2f%2f)(?:[^\s%&]|%(?!40|2f))*(?=%40)", re.IGNORECASE)
_OF_STREAMS = r"https?|icy|udp|tcp|rtm?p\w*|rtsp\w*|mms\w?|hls|srt|ftps?"
# A login without a password is a token. A database's login is none.
_LOGIN_IN_URL = re.compile(rf"\b((?:{_OF_STREAMS})://)[^/@:\s]+(?=@)", re.IGNORECASE)
# the path of a webhook is its password, and so is the whole of an address such as slack://… or discord://…
_WEBHOOK = re.compile(r"(https?://(?=[^/\s]*(?:slack|discord|webhook|hooks))[^/\s]*+)/[^\s\"]*", re.IGNORECASE)
_OPAQUE_ADDRESS = re.compile(
    rf"\b(?!(?:{_OF_STREAMS}|file|unix|postgres|postgresql):)"
    r"([a-z][a-z0-9+.-]{0,30}://)[^\s\"]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Passwords, tokens and keys that stand in a text by their names or in an address are shown as …"""
    text = _PRIVATE_KEY.sub(r"\1…", text)
    text = _OPAQUE_ADDRESS.sub(r"\1…", _WEBHOOK.sub(r"\1/…", text))
    text = _SPACED_PASSWORD.sub(r"\1…", _DATABASE_URL.sub(_hide_in_database_url, text))
    text = _LOGIN_IN_URL.sub(r"\1…", _PASSWORD_IN_URL.sub(_hide_password, _PASSWORD_IN_ESCAPED_URL.sub(r"\1…", text)))
    return _NAMED_SECRET.sub(r"\1…", text)


def redact_in(value: Any) -> Any:
    """The same for all texts in an object of JSON, and for what a key such as `api_key` names."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: "…" if item is not None and names_secret(key) else redact_in(item) for key, item in value.items()}
    return [redact_in(item) for item in value] if isinstance(value, list | tuple) else value


def redact_error(error: object) -> str:
    """The text of an error on one line and without secrets; its class when it has no text."""
    return redact(" ".join(str(error).split())) or type(error).__name__


def redact_argument(name: str, value: Any) -> Any:
    """An argument of a call as it may stand in a log: without secrets, and short."""
    if names_secret(name) or name in ("conninfo", "dsn"):
        return "…"
    value = getattr(value, "obj", value)  # what psycopg's Json wraps
    if isinstance(value, list | tuple) and len(value) > 10:
        return f"{len(value)} items"
    shown = redact_in(value)
    if not isinstance(shown, str | Mapping | list):
        return shown
    text = shown if isinstance(shown, str) else redact(json.dumps(shown, default=str, ensure_ascii=False))
    if len(text) > LONGEST_ARGUMENT:
        return text[:LONGEST_ARGUMENT] + "…"
    return shown if isinstance(shown, list) else text


def _hide_in_database_url(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    ends = [found.start() for found in _END_OF_LOGIN.finditer(rest)]
    begins = re.search(r":|%3a", rest, re.IGNORECASE)
    if not ends or begins is None or begins.end() >= ends[-1]:
        return match[0]
    return f"{scheme}{rest[: begins.end()]}…{rest[ends[-1] :]}"


def _hide_password(match: re.Match[str]) -> str:
    return f"{match[1]}…" if match[2] else match[0]


def names_secret(name: object) -> bool:
    """Whether a key or an argument of that name holds a secret."""
    return isinstance(name, str) and _NAME_OF_SECRET.search(name) is not None


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
