"""Where alerts go: the driver's log, and all that apprise has an address form for (e-mail, Slack, Discord, webhooks …).

The addresses hold passwords and tokens. They are read from the environment, ORCHESTRATOR_ALERT_URL_<TARGET>, and shown
nowhere: what a target answered is passed on without any part of its address but the host.
"""

import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from orchestrator.alerts.wording import Message, compose
from orchestrator.database import db
from orchestrator.errors import OrchestratorError, UnknownName
from orchestrator.logs import log
from orchestrator.redact import one_line, redact

VARIABLE = "ORCHESTRATOR_ALERT_URL_"
LOG_TARGET = "log"
LONGEST_WAIT_SECONDS = 30.0
"""For a target to connect, and to answer: what is claimed is lost after two minutes."""
_ROOM_FOR_TEXT = 600  # characters; a target that takes less gets the short form

Outcome = Literal["sent", "refused", "unknown"]
"""refused: certainly not accepted, so that it may be sent again. unknown: it was sent, and it is unknown what became of
it."""


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    words: str
    """What the target said, or what went wrong; without secrets."""


class Target(Protocol):
    def send(self, fleet: str, events: Sequence[db.Row], *, network_timeout: float) -> Answer: ...


class UnusableTarget(OrchestratorError):
    """Its address cannot be used, or what is needed for it is not installed."""

    code: str | None = "OR101"


def targets_of(environment: Mapping[str, str]) -> tuple[dict[str, Target], dict[str, UnusableTarget]]:
    """Every target that can be reached from here, and those that have an address and cannot be: why."""
    usable: dict[str, Target] = {LOG_TARGET: LogTarget()}
    unusable: dict[str, UnusableTarget] = {}
    for variable, value in environment.items():
        if variable.startswith(VARIABLE) and value.strip():
            name = variable.removeprefix(VARIABLE).lower()
            try:
                usable[name] = AppriseTarget(name, value.strip())
            except UnusableTarget as error:
                unusable[name] = error
    return usable, unusable


def target_named(name: str, environment: Mapping[str, str]) -> Target:
    """One of them.

    Raises:
        UnusableTarget: its address cannot be used.
        UnknownName: it has no address here.
    """
    usable, unusable = targets_of(environment)
    if name in unusable:
        raise unusable[name]
    if name not in usable:
        raise UnknownName(
            "this machine has no address for that target",
            detail={"target": name, "variable": f"{VARIABLE}{name.upper()}"},
            hint="put its apprise URL into that environment variable, here and for every driver; "
            "see docs/operating/operators.md",
        )
    return usable[name]


def send_test(name: str, environment: Mapping[str, str], *, fleet: str) -> Answer:
    """Really send something that cannot be taken for an alert.

    Raises:
        UnusableTarget, UnknownName: as target_named.
    """
    now = datetime.now().astimezone()
    event = {
        "alert_id": 0,
        "code": "test",
        "subject": "",
        "severity": "info",
        "message": "this is a test: alerts of this severity and above would arrive here",
        "detail": {"sent_from": socket.gethostname()},
        "event": "test",
        "opened_at": now,
        "happened_at": now,
        "acknowledged_by": "not needed",
        "resolved_at": None,
        "event_id": None,
    }
    return target_named(name, environment).send(fleet, [event], network_timeout=LONGEST_WAIT_SECONDS)


class LogTarget:
    """The log of the driver: one line per event, with all that is known of it."""

    def send(self, fleet: str, events: Sequence[db.Row], *, network_timeout: float) -> Answer:
        logger = log.get_logger("ERROR")
        for event in events:
            fields = {key: _plain(value) for key, value in event.items() if value is not None and key != "event"}
            if event["event"] == "resolved":
                tell = logger.info
            else:
                tell = logger.error if event["severity"] == "critical" else logger.warning
            tell("alert" if event["event"] == "opened" else f"alert {event['event']}", **fields)
        return Answer("sent", "it is in the log")


class AppriseTarget:
    """Anything that apprise speaks with.

    Raises:
        UnusableTarget: apprise is not installed, or cannot read the address.
    """

    def __init__(self, name: str, url: str) -> None:
        self._secrets = _secrets_of(url)
        self._has_own_timeouts = bool(re.search(r"[?&][cr]to=", url))
        try:
            import apprise
        except ImportError:
            raise UnusableTarget(
                "sending alerts anywhere but to the log needs apprise, which is not installed",
                detail={"target": name},
                hint="install the extra: pip install 'radio-orchestrator[alerts]'",
            ) from None
        asset = apprise.AppriseAsset(
            app_id="orchestrator",
            app_desc="radio orchestrator",
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        with _heard() as heard:
            service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise UnusableTarget(
                "the address of this target cannot be used",
                detail={"target": name, "variable": f"{VARIABLE}{name.upper()}", "reason": self._harmless(heard.words)},
                hint="write it as an apprise URL, such as json://host/path or mailtos://…; "
                "see docs/operating/operators.md",
            )
        self._service = service

    def send(self, fleet: str, events: Sequence[db.Row], *, network_timeout: float) -> Answer:
        return self.send_message(compose(fleet, events), network_timeout=network_timeout)

    def send_message(self, message: Message, *, network_timeout: float) -> Answer:
        """Send, and wait for the answer; nothing is raised."""
        import apprise

        service = self._service
        longest = min(network_timeout, LONGEST_WAIT_SECONDS)
        if not self._has_own_timeouts:
            service.socket_connect_timeout = service.socket_read_timeout = longest
        as_html = service.resolve_format(apprise.NotifyFormat.TEXT) == apprise.NotifyFormat.HTML
        text = message.html if as_html else message.text if service.body_maxlen > _ROOM_FOR_TEXT else message.short
        kinds = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}
        with _heard() as heard:
            accepted = service.notify(
                title=message.title,
                body=text,
                body_format=apprise.NotifyFormat.HTML if as_html else apprise.NotifyFormat.TEXT,
                notify_type=apprise.NotifyType.SUCCESS
                if message.is_over
                else kinds.get(message.severity, apprise.NotifyType.FAILURE),
            )
        words = self._harmless(heard.words)
        if accepted:
            return Answer("sent", words or "accepted")
        return Answer("unknown" if heard.is_uncertain else "refused", words or "not accepted")

    def _harmless(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return one_line(redact(words))[:500]


def _secrets_of(url: str) -> list[str]:
    """Every part of an address that could be a token: all but the scheme, the host and the port. The longest first."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    found = {
        url,
        parts.netloc.rpartition("@")[0],
        *re.split(r"[/?&=;,#]", f"{parts.path}?{parts.query}#{parts.fragment}"),
    }
    found |= set(parts.netloc.rpartition("@")[0].split(":"))
    if "." not in (parts.hostname or "") and parts.hostname != "localhost":
        found.add(parts.netloc)  # slack://token_a/token_b/…: what stands in the place of the host is a token
    found |= {unquote(part) for part in found}
    return sorted((part for part in found if len(part) >= 4), key=len, reverse=True)


# -- what apprise says -------------------------------------------------------------------------------------------------


class _Ear(logging.Handler):
    """Apprise says in its log, and nowhere else, why something was not sent: in words, and by the exception behind."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._words: list[str] = []
        self.is_uncertain = False

    @property
    def words(self) -> str:
        return "; ".join(dict.fromkeys(self._words))

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:  # another target's
            return
        _, error, traceback = sys.exc_info()
        if error is not None:
            self.is_uncertain = self.is_uncertain or not _is_certainly_unsent(error, traceback)
            self._words.append(type(error).__name__)
        if record.levelno >= logging.INFO:
            self._words.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[_Ear]:
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # its words may hold parts of an address
    ear = _Ear()
    logger.addHandler(ear)
    try:
        yield ear
    finally:
        logger.removeHandler(ear)


# urllib3's names for what happens before a request is sent
_BEFORE_SENDING = frozenset(
    {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ConnectTimeout", "SSLError"}
)


def _is_certainly_unsent(error: BaseException, traceback: TracebackType | None) -> bool:
    """Whether the target cannot have got the message, so that sending it again cannot tell it twice."""
    import smtplib

    if isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
        return True  # it said no
    if type(error).__module__.startswith("requests."):
        return any(type(cause).__name__ in _BEFORE_SENDING for cause in _causes(error))
    # Talking SMTP the text itself goes out in data(); all before is courtesy.
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "data":
            return False
        traceback = traceback.tb_next
    return isinstance(error, smtplib.SMTPException | OSError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what is behind it: urllib3 keeps that as an argument, or as `reason`."""
    waiting = [error]
    for found in waiting:
        yield found
        behind = [*found.args, getattr(found, "reason", None), found.__cause__]
        waiting += [each for each in behind if isinstance(each, BaseException) and each not in waiting]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
