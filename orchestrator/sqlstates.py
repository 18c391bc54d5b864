"""What a SQLSTATE means for the one who asked: try again, try again over another connection, or give up.

The only such table. The driver, the command line (exit code 75), the HTTP face (503) and the worker shim ask it.

>>> reaction_to("40001"), reaction_to("57P01"), reaction_to("42501")
(<Reaction.RETRY: 'retry'>, <Reaction.RECONNECT: 'reconnect'>, <Reaction.GIVE_UP: 'give up'>)
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import psycopg


class Reaction(StrEnum):
    RETRY = "retry"
    """The transaction was rolled back and the connection is good: the same call may succeed later."""
    RECONNECT = "reconnect"
    """The connection is gone or leads to the wrong place: drop it, and try over a new one. What was asked may have
    happened."""
    GIVE_UP = "give up"
    """The same call would fail again."""


class Rule(NamedTuple):
    reaction: Reaction
    why: str


_RETRY, _RECONNECT, _GIVE_UP = Reaction

RULES: Mapping[str, Rule] = {
    "OR1": Rule(_GIVE_UP, "the caller's mistake"),
    "OR2": Rule(_RETRY, "contention, or not now"),
    "OR3": Rule(_GIVE_UP, "fenced: a newer incarnation or epoch is there"),
    "OR4": Rule(_GIVE_UP, "refused by policy"),
    "OR9": Rule(_GIVE_UP, "an invariant is broken"),
    "08": Rule(_RECONNECT, "connection exception"),
    "25006": Rule(_RECONNECT, "the session is read-only: after a failover it may still be with the standby"),
    "25P03": Rule(_RECONNECT, "idle in a transaction for too long: the server ended the session"),
    "25P04": Rule(_RECONNECT, "transaction_timeout: the server ended the session"),
    "40001": Rule(_RETRY, "serialization failure: the other transaction is through"),
    "40P01": Rule(_RETRY, "deadlock: the other transactions got the locks, and will release them"),
    "53": Rule(_RETRY, "memory, disk or another resource ran out: other work ends, and releases it"),
    "53300": Rule(_RECONNECT, "too many connections: this one never came about"),
    "55000": Rule(_RECONNECT, "recovery is in progress: the server is a standby, or one that was not promoted yet"),
    "55P03": Rule(_RETRY, "lock not available within lock_timeout: its holder ends, at the latest by its own timeout"),
    "57014": Rule(_RETRY, "cancelled, mostly by statement_timeout: the server was slow, or the statement waited"),
    "57P": Rule(_RECONNECT, "the server stops, crashed, starts, or ended a session that was idle (57P05)"),
    "57P04": Rule(_GIVE_UP, "the database was dropped"),
}
"""By SQLSTATE or its first characters; the longest that fits decides."""

OTHERWISE = Rule(_GIVE_UP, "bad data, a violated constraint, a missing right or object, or an error of the server")
"""What no other try can mend, as far as its code tells."""


def rule_of(sqlstate: str) -> Rule:
    """The rule that decides for a SQLSTATE."""
    fitting = (sqlstate[:length] for length in range(len(sqlstate), 1, -1))
    return next((RULES[start] for start in fitting if start in RULES), OTHERWISE)


def reaction_to(failure: str | BaseException) -> Reaction:
    """What to do after a SQLSTATE, or after an exception of psycopg or of the network."""
    if isinstance(failure, str):
        return rule_of(failure).reaction
    if isinstance(failure, psycopg.Error) and failure.sqlstate is not None:
        return rule_of(failure.sqlstate).reaction
    # A connection that dies or never comes about has no SQLSTATE, not even for a wrong password. TimeoutError is an
    # OSError.
    lost = isinstance(failure, psycopg.OperationalError | psycopg.InterfaceError | OSError)
    return Reaction.RECONNECT if lost else Reaction.GIVE_UP


def is_retried(failure: str | BaseException) -> bool:
    """Whether another try may help, over this connection or over a new one."""
    return reaction_to(failure) is not Reaction.GIVE_UP
