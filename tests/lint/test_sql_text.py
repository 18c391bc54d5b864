"""What the SQL files must say, and must not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pglast
import pytest
from pglast import ast
from pglast.visitors import Visitor

from orchestrator import templates
from orchestrator.names import Names
from tests.rooms import fleet_files, path_of, public_functions, reached, sql_file_of

# pglast looks types up in no schema but this one.
NAMES = Names(api="public", private="public", owner="owner", admin="admin", worker="worker", reader="reader")
FLEET = fleet_files()
MIGRATIONS = tuple(sorted(templates.MIGRATIONS_ROOT.glob("*.sql")))
# The tables that PostgreSQL gives a statement-level trigger.
TRANSITION_TABLES = {"old_rows", "new_rows"}


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _code(path: Path) -> str:
    """The file without its comments and with string literals left in; an option of a command is no comment."""
    return re.sub(r"--( [^\n]*)?$", "", path.read_text(), flags=re.MULTILINE)


def _render(path: Path) -> str:
    root = next(root for root in (templates.SQL_ROOT, templates.MIGRATIONS_ROOT) if path.is_relative_to(root))
    return templates.render(str(path.relative_to(root)), NAMES, root=root)


# -- files -------------------------------------------------------------------------------------------------------------


def test_every_file_of_the_fleet_is_in_the_manifest_once() -> None:
    lines = (templates.SQL_ROOT / "manifest").read_text().splitlines()
    listed = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert len(listed) == len(set(listed))
    assert set(listed) == {path_of(path) for path in FLEET}


@pytest.mark.parametrize("function", public_functions())
def test_a_public_function_has_a_file_named_after_it_with_comment_and_grants(function: str) -> None:
    path = sql_file_of(function)
    text = path.read_text()
    assert re.findall(r"create or replace function \{\{ api \}\}\.(\w+)\(", text) == [path.stem]
    for statement in ("comment on function", "revoke all on function", "grant execute on function"):
        assert f"\n{statement} {{{{ api }}}}.{path.stem}(" in text, statement
    assert " from public;" in text


# -- headers -----------------------------------------------------------------------------------------------------------

_FUNCTION = re.compile(
    r"create or replace function \{\{ (?:api|private) \}\}\.(\w+)\(.*?(?=create or replace function|\Z)", re.DOTALL
)
_RAISED = re.compile(r"errcode = '(OR\d\d\d)'")
# A bug, and the end of a plan: no function has to declare them.
_UNDECLARED = {"OR901", "OR001"}


def _header(path: Path) -> dict[str, str]:
    """The lines "-- Locks …", "-- Reads …" and so on of a file's first comment, with their continuations."""
    found: dict[str, str] = {}
    key = ""
    for line in path.read_text().splitlines():
        if not line.startswith("--"):
            break
        if match := re.match(r"-- (Locks|Reads|Writes|Notifies|Raises) +(.*)", line):
            key = match[1]
            found[key] = match[2]
        elif key and line.startswith("--          "):
            found[key] += " " + line[2:].strip()
    return found


def _raised_by() -> dict[str, set[str]]:
    """The codes that each function of the fleet can raise, itself or through what it calls."""
    bodies = {match[1]: match[0] for path in FLEET for match in _FUNCTION.finditer(_code(path))}
    own = {name: set(_RAISED.findall(body)) for name, body in bodies.items()}
    own["require_read_committed"] = set()  # said once, with the locks
    own["cron_values"] = set()  # schedules were checked when they were set
    return {name: own[name].union(*(own[called] for called in reached(name))) - _UNDECLARED for name in bodies}


RAISED_BY = _raised_by()
DECIDING = [name for name in public_functions() if reached(name) & {"lock_decisions", "lock_decisions_shared"}]


@pytest.mark.parametrize("function", public_functions())
def test_a_header_says_what_the_function_touches_and_raises(function: str) -> None:
    path = sql_file_of(function)
    header = _header(path)
    assert "Reads" in header or "Writes" in header
    assert not re.match(r"-- (Locks|Reads|Writes)", path.read_text()), "a sentence comes first"
    raises = set(re.findall(r"OR\d\d\d", header.get("Raises", "")))
    assert raises == RAISED_BY[function]
    said = re.search(r"^Raises: (.*)\.$", path.read_text(), re.MULTILINE)
    assert set(re.findall(r"OR\d\d\d|55P03", said[1] if said else "")) == set(
        re.findall(r"OR\d\d\d|55P03", header.get("Raises", ""))
    ), "the comment says otherwise than the header"
    if function in DECIDING:
        assert header["Locks"].startswith("decision")
        assert "55P03" in header["Raises"]


# -- what is not done --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FLEET + MIGRATIONS, ids=_name)
def test_nothing_that_the_house_rules_forbid_is_written(path: Path) -> None:
    code = _code(path)
    assert not re.search(r"when\s+others", code, re.IGNORECASE)
    # dynamic SQL is made by format() of a literal, and only of identifiers and quoted literals
    for executed in re.findall(r"(?:return query|^)\s*execute\s+(?!on\b|function\b)(.*)", code, re.MULTILINE):
        assert executed.startswith("format("), executed
    for template in re.findall(r"execute\s+format\(\s*'([^']*)'", code):
        # (a regprocedure writes itself as SQL writes it)
        assert "%s" not in template.removeprefix("alter function %s set "), template
    if path != sql_file_of("lock_decisions"):
        assert not re.search(r"pg_(try_)?advisory|\block table\b", code)
    if path != sql_file_of("hint"):
        assert "pg_notify" not in code
    if path != sql_file_of("now") and path not in MIGRATIONS:
        clocks = r"(?<!\.)\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\(\)"
        assert not re.search(clocks + r"|\bcurrent_(timestamp|date|time)\b|pg_postmaster_start_time", code)


# -- parsing -----------------------------------------------------------------------------------------------------------


class _Tables(Visitor):
    """Collects the tables that a statement names without a schema, but for those that it makes itself."""

    def __init__(self) -> None:
        self.unqualified: set[str] = set()
        self.made: set[str] = set()

    def visit_RangeVar(self, ancestors: Any, node: ast.RangeVar) -> None:
        if node.schemaname is None:
            self.unqualified.add(str(node.relname))

    def visit_LockingClause(self, ancestors: Any, node: ast.LockingClause) -> None:
        self.made.update(str(relation.relname) for relation in node.lockedRels or ())  # these are aliases

    def visit_CommonTableExpr(self, ancestors: Any, node: ast.CommonTableExpr) -> None:
        self.made.add(str(node.ctename))


def _unqualified(statement: Any) -> set[str]:
    tables = _Tables()
    tables(statement)
    unknown = tables.unqualified - tables.made - TRANSITION_TABLES
    return {name for name in unknown if not name.startswith("pg_")}  # the path is pinned to pg_catalog


def _expressions(node: Any) -> Iterator[str]:
    """The SQL inside a parsed PL/pgSQL function, each as a statement."""
    if isinstance(node, list):
        for item in node:
            yield from _expressions(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "PLpgSQL_expr":
                yield _as_statement(value["query"], value.get("parseMode", 0))
            else:
                yield from _expressions(value)


def _as_statement(query: str, parse_mode: int) -> str:
    """PostgreSQL's RawParseMode: 0 is a statement, 2 an expression, 3 and above an assignment."""
    if parse_mode == 0:
        return query
    if parse_mode >= 3:
        query = re.split(r":?=", query, maxsplit=1)[1]
    return f"select {query}"


def _bodies(statement: Any, text: str) -> Iterator[Any]:
    """All of a statement that can be parsed: itself, and the body of a function."""
    yield statement
    if not isinstance(statement, ast.CreateFunctionStmt):
        return
    options = {option.defname: option.arg for option in statement.options or ()}
    language = options["language"].sval
    if language == "plpgsql":
        # nor does it know arrays of rows
        for query in _expressions(pglast.parse_plpgsql(re.sub(r"public\.\w+\[\]", "text[]", text))):
            yield from (raw.stmt for raw in pglast.parse_sql(query))
    elif "as" in options:
        yield from (raw.stmt for raw in pglast.parse_sql(options["as"][0].sval))


def _statements(path: Path) -> Iterator[Any]:
    """Every statement of a file, those inside functions too, each with its text."""
    text = _render(path)
    for raw in pglast.parse_sql(text):
        begin, length = raw.stmt_location or 0, raw.stmt_len or len(text)
        source = text[begin : begin + length]
        for body in _bodies(raw.stmt, source):
            yield body, source


class _Written(Visitor):
    """Collects the columns of a table that statements write."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.columns: set[str] = set()

    def visit_UpdateStmt(self, ancestors: Any, node: ast.UpdateStmt) -> None:
        self._add(node.relation, node.targetList)

    def visit_InsertStmt(self, ancestors: Any, node: ast.InsertStmt) -> None:
        self._add(node.relation, node.cols)
        if node.onConflictClause is not None:
            self._add(node.relation, node.onConflictClause.targetList)

    def visit_MergeStmt(self, ancestors: Any, node: ast.MergeStmt) -> None:
        for clause in node.mergeWhenClauses or ():
            self._add(node.relation, clause.targetList)

    def _add(self, relation: ast.RangeVar | None, targets: Any) -> None:
        if relation is not None and relation.relname == self.table:
            # an insert may name no columns, and writes them all then
            self.columns.update(str(target.name) for target in targets or ()) if targets else self.columns.add("*")


def _written(path: Path, table: str) -> set[str]:
    written = _Written(table)
    for statement, _ in _statements(path):
        written(statement)
    return written.columns


def test_only_the_steps_of_an_assignment_write_its_state_its_owners_and_its_epoch() -> None:
    steps = sql_file_of("give_streams")
    step_columns = {"state", "instance_id", "next_instance_id", "epoch", "make_before_break", "decision_id", "*"}
    assert _written(steps, "assignment") >= step_columns - {"*"}
    others = {path_of(path): _written(path, "assignment") for path in FLEET if path != steps}
    assert {path: columns for path, columns in others.items() if columns & step_columns} == {}
    assert set().union(*others.values()) == {"pinned_to", "requirement_id", "waiting_since"}


@pytest.mark.parametrize("path", FLEET + MIGRATIONS, ids=_name)
def test_every_file_parses_to_the_last_expression_and_names_each_table_with_its_schema(path: Path) -> None:
    for statement, source in _statements(path):
        assert _unqualified(statement) == set(), source[:200]
