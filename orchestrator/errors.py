"""The only place where SQLSTATEs become exceptions; sqlstates.py says which of those are worth another try.

Every refusal of the database carries a code, a message, a detail (a JSON object) and a hint; all four survive here.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import psycopg

from orchestrator import sqlstates
from orchestrator.redact import redact, redact_in
from orchestrator.sqlstates import Reaction

type_by_code: dict[str, type["OrchestratorError"]] = {}


class OrchestratorError(Exception):
    """Anything that this program refuses or fails at. `str()` of it is a sentence for people, without a password."""

    code: str | None = None
    exit_code: ClassVar[int] = 1
    function: str | None = None
    """What was called, as far as it is known."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        detail: Mapping[str, Any] | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.code = code or type(self).code
        self.detail: dict[str, Any] | None = redact_in(dict(detail)) if detail else None
        self.hint = hint

    def __init_subclass__(cls, *, sqlstate: str | None = None) -> None:
        if sqlstate is not None:
            cls.code = sqlstate
            type_by_code[sqlstate] = cls


class CallerMistake(OrchestratorError):
    """OR1xx: the same call will be refused again."""


class BadArgument(CallerMistake, sqlstate="OR101"):
    pass


class UnknownStream(CallerMistake, sqlstate="OR102"):
    pass


class UnknownInstance(CallerMistake, sqlstate="OR103"):
    pass


class InstanceIdInUse(CallerMistake, sqlstate="OR104"):
    pass


class MissingCapability(CallerMistake, sqlstate="OR105"):
    pass


class NotYours(CallerMistake, sqlstate="OR106"):
    """The instance belongs to another login."""


class UnknownName(CallerMistake, sqlstate="OR107"):
    """An unknown source, job, plan, alert or setting."""


class BadSetting(CallerMistake, sqlstate="OR108"):
    pass


class UnusableSource(CallerMistake, sqlstate="OR109"):
    pass


class Contention(OrchestratorError):
    """OR2xx, and the native codes that mean the same: not now. Nothing was done, and the same call over the same
    connection may succeed later."""

    exit_code = 75


class LockNotAvailable(Contention, sqlstate="55P03"):
    pass


class SerializationFailure(Contention, sqlstate="40001"):
    pass


class DeadlockDetected(Contention, sqlstate="40P01"):
    pass


class Cancelled(Contention, sqlstate="57014"):
    """By statement_timeout, by an administrator, or by the job that watches long transactions."""


class OutOfResources(Contention):
    """53xxx: the server lacks memory, disk or another resource."""


class Fenced(OrchestratorError):
    """OR3xx: an old epoch or incarnation."""


class StaleIncarnation(Fenced, sqlstate="OR301"):
    """The instance must register again."""


class StaleEpoch(Fenced, sqlstate="OR302"):
    """The stream has another owner by now."""


class RefusedByPolicy(OrchestratorError):
    """OR4xx."""


class BalancingPaused(RefusedByPolicy, sqlstate="OR401"):
    pass


class StreamPinned(RefusedByPolicy, sqlstate="OR402"):
    pass


class StalePlan(RefusedByPolicy, sqlstate="OR403"):
    pass


class InstanceRemoved(RefusedByPolicy, sqlstate="OR404"):
    """An administrator removed the instance."""


class NotEligible(RefusedByPolicy, sqlstate="OR405"):
    pass


class TooManyRemovals(RefusedByPolicy, sqlstate="OR406"):
    """A synchronisation would remove more streams than its source allows."""


class PromiseCutShort(RefusedByPolicy, sqlstate="OR407"):
    """An instance that stops by itself may still run its streams, and another login says that it has stopped."""


class InvariantBroken(OrchestratorError, sqlstate="OR901"):
    """Never to be swallowed."""


class DatabaseUnavailable(OrchestratorError):
    """The connection could not be made, was lost, or leads to a server that takes no changes; what was asked may or may
    not have happened."""

    code: str | None = "08000"  # connection_exception, where libpq gives no code of its own
    exit_code = 75


class DatabaseError(OrchestratorError):
    """Any other error of the database, under its own SQLSTATE."""


_FAMILIES: dict[str, type[OrchestratorError]] = {
    "OR1": CallerMistake,
    "OR3": Fenced,
    "OR4": RefusedByPolicy,
    "OR9": InvariantBroken,
}

_READ_ONLY = (
    "this server takes no changes: it is a standby (name the primary in the DSN, or several hosts and "
    "target_session_attrs=read-write), or default_transaction_read_only is on for the server, database or login"
)

_HINTS = {
    "25006": _READ_ONLY,
    "55000": _READ_ONLY,
    "3D000": "create the database first, or correct its name in the DSN",
    "28P01": "check the user and password (PGPASSWORD or the password file of libpq)",
    "28000": "check the user and the server's pg_hba.conf",
    "3F000": "the schema is not installed here: run 'orchestrator db migrate', or give --schema",
    "42883": "the database may be older than this program: run 'orchestrator db status'",
    "42P01": "the database may be older than this program: run 'orchestrator db status'",
    "42501": "grant the login one of the fleet's roles (admin, worker or reader)",
    "57014": "the statement took longer than its timeout; the view locks shows who waits for whom",
}


def class_of(sqlstate: str | None, *, connection_lost: bool = False) -> type[OrchestratorError]:
    if sqlstate in type_by_code:
        return type_by_code[sqlstate]
    if sqlstate is None:
        return DatabaseUnavailable if connection_lost else DatabaseError
    match sqlstates.reaction_to(sqlstate):
        case Reaction.RECONNECT:
            return DatabaseUnavailable
        case Reaction.RETRY:
            return OutOfResources if sqlstate.startswith("53") else Contention
        case Reaction.GIVE_UP:
            return _FAMILIES.get(sqlstate[:3], DatabaseError)


def from_database(error: psycopg.Error) -> OrchestratorError:
    """Translate what psycopg raised, by its SQLSTATE."""
    diagnosis = error.diag
    kind = class_of(error.sqlstate, connection_lost=sqlstates.reaction_to(error) is Reaction.RECONNECT)
    hint = _HINTS.get(error.sqlstate or "") or diagnosis.message_hint
    if kind is DatabaseUnavailable and hint is None:
        hint = "check that the server runs and that the DSN is right; then try again"
    return kind(
        diagnosis.message_primary or str(error).strip() or type(error).__name__,
        code=error.sqlstate,
        detail=_detail(diagnosis.message_detail),
        hint=hint,
    )


def _detail(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {"detail": text}
    return value if isinstance(value, dict) else {"detail": text}
