"""orchestrator stream import and orchestrator source, from the command line."""

import json
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from orchestrator.cli.source import source
from orchestrator.cli.stream_import import import_streams
from orchestrator.database import db
from tests.source.conftest import External, Fleet, Run

LIST = "#EXTM3U\n#EXTINF:-1,One\nhttp://radio.example/1\n#EXTINF:-1,Two\nhttp://radio.example/2\n"


@pytest.fixture
def playlist(tmp_path: Path) -> Path:
    path = tmp_path / "radios.m3u"
    path.write_text(LIST)
    return path


def test_a_list_is_imported_once_however_often(fleet: Fleet, run: Run, playlist: Path) -> None:
    first = run(import_streams, playlist, "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["inserted"] == 2
    again = json.loads(run(import_streams, playlist, "--json").stdout)
    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, 2)
    assert fleet.source("radios")["kind"] == "list"
    assert fleet.streams("radios")["http://radio.example/1"]["name"] == "One"


def test_lists_add_up_unless_they_replace(fleet: Fleet, run: Run, playlist: Path) -> None:
    run(import_streams, playlist)
    playlist.write_text("http://radio.example/2\nhttp://radio.example/3\n")
    assert json.loads(run(import_streams, playlist, "--json").stdout)["removed"] == 0
    assert len(fleet.streams("radios")) == 3
    refused = run(import_streams, playlist, "--replace")
    assert refused.exit_code == 1
    assert "OR406" in refused.stderr
    assert refused.stderr.count("would_remove 1") == 1
    assert len(fleet.streams("radios")) == 3
    assert run(import_streams, playlist, "--replace", "--force").exit_code == 0
    assert set(fleet.streams("radios")) == {"http://radio.example/2", "http://radio.example/3"}


def test_one_problem_and_nothing_is_imported(fleet: Fleet, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "radios.csv"
    path.write_text("id,url\n1,http://radio.example/1\n2,ftp://radio.example/2\n1,http://radio.example/3\n")
    result = run(import_streams, path)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[:3] == [
        f"{path}:3: 'ftp://radio.example/2': the url is not http or https",
        f"{path}:4: the same id (1) as line 2",
        f"error: 2 problems in {path}; nothing was imported (OR109)",
    ]
    assert result.stderr.count("the same id (1)") == 1
    assert [row["source"] for row in db.view(fleet.conn, "sources")] == ["manual"]
    as_json = json.loads(run(import_streams, path, "--json").stderr)
    assert [problem["line"] for problem in as_json["error"]["detail"]["problems"]] == [3, 4]


def test_a_refused_merge_leaves_no_source_behind(fleet: Fleet, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "radios.m3u"
    path.write_text("http://radio.example/1")
    assert run(import_streams, path, "--source", "manual").exit_code == 1
    assert run(import_streams, path, "--source", "bad name").exit_code == 1
    assert [row["source"] for row in db.view(fleet.conn, "sources")] == ["manual"]
    assert fleet.streams("manual") == {}


def test_a_list_cannot_be_imported_into_a_table(fleet: Fleet, run: Run, playlist: Path) -> None:
    db.call(fleet.conn, "add_source", source="field", conninfo="host=h", table_name="t")
    result = run(import_streams, playlist, "--source", "field")
    assert (result.exit_code, "OR101" in result.stderr) == (1, True)


def test_a_dry_run_imports_nothing(fleet: Fleet, run: Run, playlist: Path) -> None:
    assert run(import_streams, playlist, "--dry-run").output == "2 streams, no problems\n"
    assert json.loads(run(import_streams, playlist, "--dry-run", "--json").stdout) == {"streams": 2}
    assert fleet.streams("radios") == {}


def test_standard_input_is_read(fleet: Fleet, run: Run) -> None:
    result = run(import_streams, "-", "--source", "piped", input="http://radio.example/1\n")
    assert result.exit_code == 0, result.output
    assert len(fleet.streams("piped")) == 1


def test_odd_text_goes_through_unharmed(fleet: Fleet, run: Run, tmp_path: Path) -> None:
    odd = "tab\t \\N back\\slash 'quote' \"double\" new\nline \\. é 日本 🎵"
    path = tmp_path / "odd.json"
    path.write_text(
        json.dumps([{"id": odd, "name": odd, "url": "http://radio.example/\\n", "region": odd, "k": {odd: odd}}])
    )
    assert run(import_streams, path).exit_code == 0
    stream = fleet.streams("odd")[odd]
    assert (stream["name"], stream["region"], stream["url"]) == (odd, odd, "http://radio.example/\\n")
    assert stream["metadata"] == {"k": {odd: odd}}


@pytest.mark.parametrize(
    "arguments", [["no-such-file"], ["FILE", "--encoding", "klingon"], ["FILE", "--format", "xspf"]]
)
def test_wrong_usage_exits_with_2(run: Run, playlist: Path, arguments: list[str]) -> None:
    assert run(import_streams, *[str(playlist) if a == "FILE" else a for a in arguments]).exit_code == 2


def test_a_source_lives_from_add_to_remove(fleet: Fleet, run: Run, external: External) -> None:
    external.execute("create table radios (codigo int, nome text, url text, nota text)")
    external.execute(
        "insert into radios select i, 'R', 'http://radio.example/' || i, 'x' from generate_series(1, 3) as i"
    )
    external.execute("insert into radios values (4, 'R', 'rtmp://radio.example/4', 'x')")
    added = run(
        source, "add", "field", "--from", external.dsn, "--table", "radios", "--column", "external_id=codigo",
        "--column", "metadata=", "--interval", "5 minutes", "--max-removed-part", "0.5", "--json",
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout) == {"source": "field", "kind": "postgresql", "created": True}
    synced = run(source, "sync", "field")
    assert synced.exit_code == 0, synced.output
    assert "inserted     3" in synced.stdout
    assert "skipped row 4 (id 4): the url is not http or https" in synced.stderr
    assert fleet.streams()["1"]["metadata"] == {}
    listed = json.loads(run(source, "list", "--json").stdout)
    (row,) = [row for row in listed if row["source"] == "field"]
    assert (row["streams"], row["sync_interval"], row["max_removed_part"]) == (3, 300, 0.5)
    assert "field" in run(source, "list").stdout
    everything = run(source, "sync", "--json")
    assert [result["unchanged"] for result in json.loads(everything.stdout)] == [3]
    external.execute("drop table radios")
    failed = run(source, "sync")
    assert (failed.exit_code, "the source has no such table" in failed.stdout) == (1, True)
    assert "the source has no such table" in run(source, "list").stdout
    kept = run(source, "remove", "field")
    assert (kept.exit_code, "OR406" in kept.stderr) == (1, True)
    assert run(source, "remove", "field", "--with-streams").exit_code == 0
    assert fleet.streams() == {}


def test_the_environment_is_the_default_of_add(
    fleet: Fleet, run: Run, external: External, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(source, "add", "field").exit_code == 2
    parts = conninfo_to_dict(external.dsn)
    monkeypatch.setenv("POSTGRES_HOST", str(parts["host"]))
    monkeypatch.setenv("POSTGRES_DB", str(parts["dbname"]))
    monkeypatch.setenv("POSTGRES_PASSWORD", "hush-hush")
    monkeypatch.setenv("DB_TABLE_NAME", "radios")
    assert run(source, "add", "field").exit_code == 0
    row = fleet.source()
    assert (row["table_name"], "hush" in str(row)) == ("radios", False)


def test_adding_a_source_that_exists_changes_only_what_is_given(
    fleet: Fleet, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(source, "add", "field", "--from", "host=here", "--table", "radios").exit_code == 0

    assert run(source, "add", "field", "--disabled").exit_code == 0
    monkeypatch.setenv("POSTGRES_HOST", "elsewhere")
    monkeypatch.setenv("DB_TABLE_NAME", "others")
    assert run(source, "add", "field", "--interval", "5 minutes").exit_code == 0
    row = fleet.source()
    assert (row["conninfo"], row["table_name"], row["enabled"]) == ("host=here", "radios", False)

    assert run(source, "add", "field", "--table", "stations").exit_code == 0
    row = fleet.source()
    assert (row["conninfo"], row["table_name"]) == ("host=here", "stations")

    db.call(fleet.conn, "add_source", source="playlist")
    assert run(source, "add", "playlist", "--disabled").exit_code == 0


def test_a_password_on_the_command_line_is_refused(fleet: Fleet, run: Run) -> None:
    result = run(source, "add", "field", "--from", "postgresql://u:hush-hush@h/db")
    assert result.exit_code == 1
    assert "PGPASSFILE" in result.stderr
    assert "hush" not in result.output


@pytest.mark.parametrize("column", ["title=x", "url", "=x"])
def test_a_bad_column_option_is_wrong_usage(run: Run, column: str) -> None:
    assert run(source, "add", "field", "--from", "host=h", "--column", column).exit_code == 2
