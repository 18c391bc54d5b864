"""The page on moving a host to the shim: its commands exist, its SQL runs, its Python asks for what is there."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.core import ParameterSource

from orchestrator.cli import main as orchestrator
from orchestrator.lab import ledger
from tests.docs.conftest import ROOT
from tests.support import Database
from worker_shim import Context, Stream, Worker
from worker_shim.resilient_worker_client import create_resilient_worker_client

PAGE = (ROOT / "docs" / "start" / "fingerv7.md").read_text()
GUIDE = (ROOT / "docs" / "start" / "workers.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[list[str]]:
    """Each command of the page, without what it is piped into."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line.partition(" | ")[0])


def parse(command: click.Command, words: list[str]) -> click.Context:
    """Read a command line as the program would, and run nothing. Raises click.UsageError."""
    context = command.make_context(command.name, list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, found, rest = context.command.resolve_command(context, rest)
        assert found is not None
        context = found.make_context(found.name, rest, parent=context)
    return context


@pytest.mark.parametrize("words", [each for each in commands() if each[0] == "orchestrator"], ids=" ".join)
def test_a_command_of_the_page_is_one(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DSN", "host=db.example.org")
    context = parse(orchestrator, words[1:])
    given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    assert len(given) > 0 or words[1:] in (["diagnose"],)


def test_a_command_that_is_none_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parse(orchestrator, ["stream", "list", "--nonsense"])


def test_other_programs_of_the_page_are_few_and_their_files_are_there() -> None:
    others = [words for words in commands() if words[0] != "orchestrator"]
    assert {words[0].partition("=")[0] for words in others} == {"psql", "docker", "export", "SERVER_ID"}
    [started] = [words for words in others if words[0].startswith("SERVER_ID=")]
    assert (ROOT / started[-1]).is_file()
    source = (ROOT / started[-1]).read_text()
    variables = [word.partition("=")[0] for words in others for word in words if re.match(r"[A-Z_]+=", word)]
    assert [name for name in variables if f'"{name}"' not in source] == []


def test_the_sql_of_the_page_runs_where_it_is_meant_to(database: Database, empty_database: str) -> None:
    with ledger.connect(empty_database, "test") as results, results.transaction(force_rollback=True):
        ledger.install_fence(results)
        results.execute("create table public.music_log (title text)")
        results.execute("create role fingerv7")
        results.execute("set search_path = public")
        fleet = database.connect("reader")
        for block in blocks("sql"):
            if "orchestrator.streams" in block:
                fleet.execute(block.replace("orchestrator.", f"{database.names.api}."))
            else:
                results.execute(block)
        results.execute("insert into music_log (title, stream_id, epoch) values ('a song', 7, 1)")
        [query] = [words[-1] for words in commands() if words[:2] == ["psql", "-d"] and "-c" in words]
        assert results.execute(query).fetchall() == []


def test_the_python_of_the_page_asks_for_what_is_there() -> None:
    known = {"stream": Stream, "context": Context}
    calls: list[ast.Call] = []
    for block in blocks("python"):
        tree = ast.parse(f"async def example():\n{re.sub('^', '    ', block, flags=re.MULTILINE)}\n    pass")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
                owner = known[node.value.id]
                assert hasattr(owner, node.attr) or node.attr in getattr(owner, "__annotations__", {}), node.attr
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls.append(node)
    made = {ast.unparse(call.func): {keyword.arg for keyword in call.keywords} for call in calls}
    assert made["create_resilient_worker_client"] <= set(create_resilient_worker_client.__annotations__)
    assert made["Worker"] <= set(Worker.__init__.__annotations__)


def test_what_the_page_says_of_the_face_and_of_the_columns_is_so() -> None:
    client = create_resilient_worker_client("host=db.example.org", "fingerv7-001")
    named = set(re.findall(r"`(\w+)\(\w*\)`", PAGE.partition("## One import")[2].partition("## A worker")[0]))
    assert {name for name in named - {"on_streams_taken"} if not hasattr(client, name)} == set()
    example = (ROOT / "examples" / "fingerv7" / "fingerv7.py").read_text()
    columns = set(re.findall(r"--column metadata=(\w+)", PAGE))
    assert set(re.findall(r'metadata\.get\("(\w+)"\)', example)) | {"index"} <= columns


def test_the_fences_of_the_guide_are_those_that_are_installed(empty_database: str) -> None:
    with ledger.connect(empty_database, "test") as conn:
        ledger.install_fence(conn)
        rows = conn.execute("select proname from pg_proc where pronamespace = 'orchestrator_fence'::regnamespace")
        known = {row["proname"] for row in rows} | {"refused"}
    assert set(re.findall(r"orchestrator_fence\.(\w+)", GUIDE + PAGE)) <= known
