"""Sessions that can be left waiting: a race is made by holding one session still and watching the other wait."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.support import Database

PATIENCE = 20.0


class Session:
    """A connection whose calls run in a thread of their own."""

    def __init__(self, database: Database, conn: db.Connection | None = None) -> None:
        self.conn = conn or database.connect()
        self._eye = database.connect()

    @property
    def pid(self) -> int:
        return self.conn.info.backend_pid

    def call(self, function: str, **parameters: Any) -> list[db.Row]:
        return db.call(self.conn, function, **parameters)

    def private(self, function: str, *arguments: Any) -> Any:
        """Call a function of the private schema, such as a job, and return what it returns."""
        query = sql.SQL("select {}.{}({}) as value").format(
            sql.Identifier(self.conn.names.private),
            sql.Identifier(function),
            sql.SQL(", ").join(sql.Placeholder() * len(arguments)),
        )
        with db.translated_errors():
            row = self.conn.execute(query, arguments).fetchone()
        assert row is not None
        return row["value"]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is called inside is not committed before the end."""
        with self.conn.transaction():
            yield

    def start(self, act: Callable[[], Any]) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(act())
            except OrchestratorError as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def start_and_wait_for(self, act: Callable[[], Any], other: "Session") -> "Future[Any]":
        """Start a call, and return as soon as it waits for the other session."""
        future = self.start(act)
        deadline = time.monotonic() + PATIENCE
        while not self.waits_for(other):
            assert not future.done(), f"it did not wait: {future.exception() or future.result()}"
            assert time.monotonic() < deadline, "it neither waits nor ends"
            time.sleep(0.002)
        return future

    def waits_for(self, other: "Session") -> bool:
        row = self._eye.execute("select %s = any(pg_blocking_pids(%s)) as waits", [other.pid, self.pid]).fetchone()
        assert row is not None
        return bool(row["waits"])


def result(future: "Future[Any]") -> Any:
    return future.result(PATIENCE)


def refusal(future: "Future[Any]") -> str | None:
    """The SQLSTATE that a call ended with."""
    error = future.exception(PATIENCE)
    assert isinstance(error, OrchestratorError), error
    return error.code
