"""The picture of an assignment's life in sql/README.md, drawn from the steps that the database allows."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

DOCS = Path(__file__).parent
MAP = DOCS.parent / "sql" / "README.md"
BEGIN = "<!-- drawn by `make docs` from assignment_transition: do not edit up to the end of the picture -->\n"
END = "<!-- end of the picture -->\n"


def drawn(connection: psycopg.Connection[Any]) -> str:
    """A mermaid diagram: one arrow for all events that lead from one state to another."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        steps = cursor.execute((DOCS / "picture.sql").read_bytes()).fetchall()
    arrows = [f"    {'[*]' if begin == 'unknown' else begin} --> {end} : {events}" for begin, end, events in steps]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"]) + "\n"


def with_picture(page: str, picture: str) -> str:
    """The page with this picture in the place that it has for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the picture")
    return before + begin + picture + end + after
