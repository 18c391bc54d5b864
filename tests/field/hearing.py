"""The table of stations as a host reads it, and the stations that one process hears."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.field.wire import Notes

StreamId = int | str

STATEMENT = "SELECT url, name, sheet, cidade, estado, regiao, segmento, index FROM streams ORDER BY index"


@dataclass(frozen=True)
class Table:
    """Rows as (index, url), by index."""

    rows: tuple[tuple[int, str], ...]

    @classmethod
    def read(cls, dsn: str) -> Table:
        import psycopg  # not by those that are given a file: it takes as long as all else

        with psycopg.connect(dsn) as conn:
            return cls(tuple((int(row[7]), str(row[0])) for row in conn.execute(STATEMENT)))

    @classmethod
    def load(cls, path: Path) -> Table:
        return cls(tuple((int(index), str(url)) for index, url in json.loads(path.read_text())))

    def indexes_of(self, ids: Iterable[StreamId]) -> list[int]:
        """Of the rows that are found by these ids, which are compared as text; ids without a row are no trouble."""
        wanted = {str(each) for each in ids}
        return [index for index, _ in self.rows if str(index) in wanted]

    def index_of_url(self, url: str) -> int | None:
        return next((index for index, each in self.rows if each == url), None)


class Hearing:
    """What runs in this process, whatever anybody says or believes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.running: set[int] = set()

    def start(self, index: int) -> None:
        if index not in self.running:
            self.running.add(index)
            self._notes.heard(f"start {index}")

    def stop(self, index: int) -> None:
        if index in self.running:
            self.running.remove(index)
            self._notes.heard(f"stop {index}")

    def run_exactly(self, indexes: Iterable[int]) -> None:
        wanted = set(indexes)
        for index in sorted(self.running - wanted):
            self.stop(index)
        for index in sorted(wanted - self.running):
            self.start(index)
