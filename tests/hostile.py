"""Settings that are legal and are not those that PostgreSQL is delivered with: a DBA's, a login's, another program's.

Each may be set for the server, a database or a login, by a program's options, or by a reload while all runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

FORMS: Mapping[str, str] = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "America/Sao_Paulo",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "xmloption": "document",
    "xmlbinary": "hex",
    "search_path": "nowhere",
    "client_encoding": "LATIN1",
}
"""How values and statements are written and read."""

OTHER_FORMS: Mapping[str, str] = {
    **FORMS,
    "DateStyle": "German, YMD",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Apia",
    "client_encoding": "SQL_ASCII",
    "search_path": "public, pg_catalog",
}

EFFORT: Mapping[str, str] = {
    "jit": "on",
    "jit_above_cost": "0",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "from_collapse_limit": "1",
    "row_security": "off",
    "check_function_bodies": "off",
    "synchronous_commit": "off",
    "client_min_messages": "error",
    "default_transaction_deferrable": "on",
}
"""How the work is done."""

SUPERUSERS: Mapping[str, str] = {
    "plpgsql.variable_conflict": "use_column",
    "plpgsql.extra_errors": "shadowed_variables,strict_multi_assignment",
    "lc_messages": "C",
    "lo_compat_privileges": "on",
}
"""What only a superuser sets."""

SERIALIZABLE: Mapping[str, str] = {"default_transaction_isolation": "serializable"}
REPEATABLE_READ: Mapping[str, str] = {"default_transaction_isolation": "repeatable read"}

LIMITS: Mapping[str, str] = {
    "idle_session_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "statement_timeout": "10s",
    "lock_timeout": "10s",
}

ALL: Mapping[str, str] = {**FORMS, **EFFORT, **SUPERUSERS, **SERIALIZABLE, **LIMITS}
"""All that a program of ours has to live with at once."""


_LISTS = ("DateStyle", "search_path")


def options(settings: Mapping[str, str]) -> str:
    """For PGOPTIONS, or `options` in a DSN."""
    escaped = (f"{name}={value}".replace("\\", "\\\\").replace(" ", "\\ ") for name, value in settings.items())
    return " ".join(f"-c {each}" for each in escaped)


def set_for(subject: sql.Composable, settings: Mapping[str, str]) -> Sequence[sql.Composed]:
    """Statements that make them defaults of `subject`, such as `role a` or `database b`."""
    return [
        sql.SQL("alter {} set {} to {}").format(
            subject,
            sql.SQL(".").join(map(sql.Identifier, name.split("."))),
            sql.SQL(", ").join(map(sql.Literal, value.split(", ") if name in _LISTS else [value])),
        )
        for name, value in settings.items()
    ]


@contextmanager
def reloaded(superuser: psycopg.Connection[object], settings: Mapping[str, str]) -> Iterator[None]:
    """The server has them by a reload, while all runs; afterwards it has its own again."""
    superuser.execute("load 'plpgsql'")  # which knows its own settings
    try:
        for statement in set_for(sql.SQL("system"), settings):
            superuser.execute(statement)
        superuser.execute("select pg_reload_conf()")
        yield
    finally:
        for name in settings:
            parts = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            superuser.execute(sql.SQL("alter system reset {}").format(parts))
        superuser.execute("select pg_reload_conf()")
