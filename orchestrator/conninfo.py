"""What every connection of this system is told, so that none waits for ever and none depends on other people's
defaults: by libpq here, and by the server.

One set of figures, which all follow from `network_timeout` (30 s by default, R5.3). A program that needs another figure
passes it by name; what a DSN says wins over all of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.errors import BadArgument


@dataclass(frozen=True)
class Timeouts:
    """The limits of a session in seconds; 0 is no limit."""

    statement_timeout: float = 30.0
    transaction_timeout: float = 30.0
    idle_in_transaction_session_timeout: float = 30.0
    lock_timeout: float = 5.0
    network_timeout: float = 30.0
    """From this follow the limits of the network: to connect, and until a vanished peer is noticed (R5.3)."""

    @classmethod
    def within(cls, network_timeout: float) -> "Timeouts":
        """For a client that hangs up when no answer came within network_timeout: the server gives up before that, and
        the connection stays good."""
        return cls(
            statement_timeout=0.9 * network_timeout,
            transaction_timeout=network_timeout,  # it ends the session, so it comes last
            idle_in_transaction_session_timeout=0.9 * network_timeout,
            lock_timeout=min(cls.lock_timeout, 0.45 * network_timeout),
            network_timeout=network_timeout,
        )

    @property
    def answer(self) -> float | None:
        """How long to wait for an answer that the server should have given, or refused, before. A server that is
        frozen confirms what it is sent and says nothing."""
        return self.statement_timeout + self.network_timeout if self.statement_timeout else None


STANDARD_TIMEOUTS = Timeouts()

FORMS: Mapping[str, str] = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
}
"""How values and statements are written and read: as PostgreSQL is delivered, whatever a server, a database or a login
has by default. sql/session_settings.sql gives the same to every public function, for callers whose sessions are not
ours."""

PINNED: Mapping[str, str] = {
    **FORMS,
    "default_transaction_isolation": "read committed",  # decisions refuse a snapshot of the past
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",  # a session that listens is idle for long
    # our views' plans look dear and are not: to compile them takes several times as long as to run them
    "jit": "off",
    "plan_cache_mode": "auto",
}
"""What our sessions do not leave to the server's, the database's or the login's defaults. Set in the session it
outranks them, and a later reload too.

Not among them: default_transaction_read_only, which may be how a failover freezes a primary
(docs/internals/decisions/0030-settings-of-sessions.md says why), `role`, by which a login may get its rights, and the
time zone, in which times are shown.
"""


def connection_options(network_timeout: float) -> dict[str, str]:
    """What libpq is told. At 30 s a vanished peer is noticed within 25 s while the connection is idle, and within 20 s
    while something unconfirmed is under way: both before network_timeout is over."""
    return {
        # for each host that the DSN names, so that three can be tried in time; libpq takes 1 for 2
        "connect_timeout": _whole(network_timeout / 3, least=2),
        "keepalives": "1",
        "keepalives_idle": _whole(network_timeout / 3),
        "keepalives_interval": _whole(network_timeout / 6),
        "keepalives_count": "3",
        "tcp_user_timeout": _milliseconds(network_timeout * 2 / 3),
    }


def session_settings(timeouts: Timeouts, *, server_version: int | None = None) -> dict[str, str]:
    """What the server is told after connecting, as arguments of set_config. With `server_version` without what that
    server does not know.

    The server watches the network by the same figures, so that it lets go of a vanished client's session.
    """
    watch = connection_options(timeouts.network_timeout)
    settings = {
        "tcp_keepalives_idle": watch["keepalives_idle"],
        "tcp_keepalives_interval": watch["keepalives_interval"],
        "tcp_keepalives_count": watch["keepalives_count"],
        "tcp_user_timeout": watch["tcp_user_timeout"],
        # a killed client's statement ends, even while it waits for a lock
        "client_connection_check_interval": "2000",
        "statement_timeout": _limit(timeouts.statement_timeout),
        "lock_timeout": _limit(timeouts.lock_timeout),
        "idle_in_transaction_session_timeout": _limit(timeouts.idle_in_transaction_session_timeout),
    }
    if server_version is None or server_version >= 170000:
        settings["transaction_timeout"] = _limit(timeouts.transaction_timeout)
    return {**settings, **PINNED}


def parse(dsn: str, what: str = "the DSN") -> dict[str, Any]:
    """The parts of a DSN.

    Raises:
        BadArgument: it cannot be read. libpq's own message would quote it, with its password.
    """
    try:
        parts: dict[str, Any] = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {"port": "unreadable"}
    # A password with an @ or a / in it ends up as a part of the host or the port, which libpq quotes in its errors.
    ports = str(parts.get("port") or "").replace(",", "")
    if re.search("[^,]@", str(parts.get("host") or "")) or not (ports.isdecimal() or not ports):
        raise BadArgument(
            f"{what} cannot be read",
            hint="write it as postgresql://user@host:5432/database or as host=… dbname=… user=…",
        )
    return parts


def complete(dsn: str, *, network_timeout: float = STANDARD_TIMEOUTS.network_timeout, **options: str) -> str:
    """The DSN, and what it does not say from `options` (such as application_name) and from connection_options. The
    encoding is ours, whatever it says: psycopg reads texts in no other form.

    Raises:
        BadArgument: it cannot be read.
    """
    if "application_name" in options:
        options["application_name"] = options["application_name"][:63]  # where PostgreSQL cuts it
    return make_conninfo(**{**connection_options(network_timeout), **options, **parse(dsn), "client_encoding": "UTF8"})


def _limit(seconds: float) -> str:
    return _milliseconds(seconds) if seconds else "0"


def _milliseconds(seconds: float) -> str:
    return _whole(seconds * 1000)


def _whole(number: float, least: int = 1) -> str:
    return str(max(least, round(number)))
