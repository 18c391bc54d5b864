"""One station of a list, and what is wrong with a list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import UnusableSource

NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Entry:
    """One station, and the line (the first is 1) where it stands."""

    line: int
    url: str
    external_id: str
    name: str | None = None
    active: bool = True
    region: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    item: int | None = None
    """Its place in a JSON list, which may be all on one line; the first is 1."""

    @property
    def prefix(self) -> str:
        return f"item {self.item}: " if self.item else ""

    @property
    def place(self) -> str:
        return f"line {self.line}" if self.item is None else f"line {self.line}, item {self.item}"


@dataclass(frozen=True)
class Problem:
    line: int
    text: str


class BadPlaylist(UnusableSource):
    """A list that cannot be imported; `problems` has a line for each reason."""

    def __init__(self, filename: str, problems: list[Problem]) -> None:
        self.filename = filename
        self.problems = sorted(problems, key=lambda problem: problem.line)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"{count} in {filename}; nothing was imported",
            detail={"file": filename, "problems": [vars(problem) for problem in self.problems]},
            hint="repair these lines and import the file again",
        )


class Unreadable(Exception):
    """A problem after which the rest of the file means nothing."""

    def __init__(self, line: int, text: str) -> None:
        self.problem = Problem(line, text)
