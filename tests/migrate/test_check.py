"""`orchestrator db check` finds every way in which a database is not what the program would make of it."""

import json
from typing import LiteralString

import psycopg
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from tests.migrate.conftest import Fleet


@pytest.mark.parametrize(
    ("what_was_done", "found"),
    [
        (
            "create or replace function {private}.shout() returns trigger language plpgsql as 'begin return new; end'",
            ("altered", "function {private}.shout()"),
        ),
        (
            "grant execute on function {api}.read_note(bigint) to public",
            ("altered", "function {api}.read_note(bigint)"),
        ),
        ("alter function {api}.read_note(bigint) reset search_path", ("altered", "function {api}.read_note(bigint)")),
        ("alter table {private}.note alter column body drop not null", ("altered", "table {private}.note")),
        ("alter table {private}.note alter column body set default 'x'", ("altered", "table {private}.note")),
        ("alter table {private}.note add column extra text", ("altered", "table {private}.note")),
        ("grant select on {private}.note to {worker}", ("altered", "table {private}.note")),
        ("alter table {private}.note disable trigger shout", ("altered", "trigger shout on {private}.note")),
        ("comment on view {api}.notes is 'otherwise'", ("altered", "view {api}.notes")),
        ("drop trigger shout on {private}.note", ("missing", "trigger shout on {private}.note")),
        ("drop view {api}.notes", ("missing", "view {api}.notes")),
        ("drop index {private}.note_by_body", ("missing", "index {private}.note_by_body")),
        ("create index by_hand on {private}.note (note_id)", ("left over", "index {private}.by_hand")),
        ("create table {api}.by_hand (id integer)", ("left over", "table {api}.by_hand")),
        ("create type {private}.mood as enum ('good')", ("left over", "type {private}.mood")),
        (
            "create function {api}.read_note(text) returns text language sql as 'select 1'",
            ("left over", "function {api}.read_note(text)"),
        ),
    ],
)
def test_what_was_done_by_hand_is_found(fleet: Fleet, what_was_done: str, found: tuple[str, str]) -> None:
    fleet.migrate()
    assert fleet.check() == []
    fleet.run(what_was_done)
    kind, what = found
    assert fleet.check() == [(kind, what.format(**fleet.names.as_dict()))]


def test_a_later_migration_does_not_make_an_alteration_by_hand_official(fleet: Fleet) -> None:
    fleet.migrate()
    fleet.run("alter table {private}.note alter column body drop not null")
    fleet.run("drop index {private}.note_by_body")
    found = fleet.check()
    assert [kind for kind, _ in found] == ["altered", "missing"]
    fleet.replace("sql/private/shout.sql", "upper", "lower")
    fleet.migrate()
    assert fleet.check() == found


def test_repair_puts_back_functions_views_triggers_and_grants(fleet: Fleet) -> None:
    fleet.migrate()
    fleet.run("drop trigger shout on {private}.note")
    fleet.run("drop function {api}.read_note(bigint)")
    fleet.run("revoke select on {api}.notes from {reader}")
    assert len(fleet.check()) == 3
    assert fleet.migrate().nothing_to_do
    fleet.migrate(repair=True)
    assert fleet.check() == []


def test_a_migration_that_drops_something_leaves_nothing_missing(fleet: Fleet) -> None:
    fleet.migrate()
    fleet.write("migrations/0002_less.sql", "drop index {{ private }}.note_by_body;")
    fleet.migrate()
    assert fleet.check() == []


def test_another_major_version_of_the_server_asks_for_a_migration_instead_of_crying_drift(fleet: Fleet) -> None:
    fleet.migrate()
    fleet.run("update {private}.schema_object set server_major = 14, checksum = 'spelled otherwise'")
    assert fleet.check() == [("pending", "the server has another major version than at the last migration")]
    assert not fleet.migrate().nothing_to_do
    assert fleet.check() == []


class TestTheCommandLine:
    """On the real files: exit status and words of each outcome."""

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["db", *arguments], catch_exceptions=False)

    def test_from_nothing_to_in_order(self, empty_database: str) -> None:
        target = ("--dsn", empty_database)
        assert self.run("check", *target).exit_code == 3
        assert "not installed" in self.run("status", *target).stdout
        assert self.run("migrate", *target).exit_code == 0
        assert "nothing to do" in self.run("migrate", *target).stdout
        assert self.run("check", *target).stdout == "orchestrator: in order\n"
        status = json.loads(self.run("status", *target, "--json").stdout)
        assert status["installed"] is True
        assert status["pending"] == []

    def drift(self, dsn: str, change: LiteralString) -> str:
        """What a check says after a change by hand of the table of streams."""
        self.run("migrate", "--dsn", dsn)
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f"alter table orchestrator_private.stream {change}")
        result = self.run("check", "--dsn", dsn)
        assert result.exit_code == 4
        return result.stdout

    def test_foreign_keys_that_were_switched_off_are_drift(self, empty_database: str) -> None:
        assert "orchestrator_private.stream" in self.drift(empty_database, "disable trigger all")

    def test_drift_exits_with_4(self, empty_database: str) -> None:
        assert "table orchestrator_private.stream" in self.drift(empty_database, "add column by_hand text")

    def test_an_error_is_a_sentence_and_a_hint(self) -> None:
        result = self.run("migrate", "--dsn", "postgresql://alice:secret@127.0.0.1:1/nothing")
        assert result.exit_code == 75
        assert "hint:" in result.stderr
        assert "secret" not in result.output
        assert "Traceback" not in result.output
