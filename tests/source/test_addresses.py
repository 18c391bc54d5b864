"""One rule says what the address of a station is, however a station comes: by command, by table or by list."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.cli.stream_import import import_streams
from orchestrator.database import db
from orchestrator.errors import BadArgument
from tests.addresses import BAD, GOOD
from tests.source.conftest import External, Fleet, Run

MEGABYTE = 1_000_000
TOO_LONG: dict[str, dict[str, Any]] = {
    "the name is longer than 2000 bytes": {"name": "x" * MEGABYTE},
    "the region is longer than 200 bytes": {"region": "x" * 201},
    "the id is longer than 2000 bytes": {"external_id": "x" * 2001},
    "the metadata is longer than 100000 bytes": {"metadata": {"note": "x" * MEGABYTE}},
}
CAPABILITIES = [f"{number}{'x' * 190}" for number in range(20)]


def _add(fleet: Fleet, **station: Any) -> str | None:
    """Why a station cannot be added by hand."""
    try:
        db.call(fleet.conn, "add_stream", **station)
    except BadArgument as refusal:
        assert refusal.detail is not None
        return f"{refusal.detail['argument']}: {refusal.hint}"
    return None


def _stage(fleet: Fleet, *stations: dict[str, Any]) -> db.Row:
    """What the merge of a list of one's own does with these rows."""
    db.call(fleet.conn, "add_source", source="list")
    batch = uuid.uuid4()
    staging = f"{fleet.conn.names.api}.stream_staging (batch, line, external_id, name, url, region, metadata)"
    for line, station in enumerate(stations, start=1):
        row = {"external_id": str(line), "name": None, "region": None, "metadata": {}} | station
        row["metadata"] = Jsonb(row["metadata"])
        values = [row[column] for column in ("external_id", "name", "url", "region", "metadata")]
        insert = f"insert into {staging} values (%s, %s, %s, %s, %s, %s, %s)"
        fleet.conn.execute(insert.encode(), [batch, line, *values])
    [merged] = db.call(fleet.conn, "sync_streams", source="list", batch=batch, keep_vanished=True)
    return merged


@pytest.mark.parametrize("url", GOOD, ids=range(len(GOOD)))
def test_what_is_an_address_can_be_added(fleet: Fleet, url: str) -> None:
    assert _add(fleet, url=url) is None


def test_what_is_an_address_comes_by_table_and_list(fleet: Fleet, external: External) -> None:
    external.create()
    for number, url in enumerate(GOOD):
        external.execute("insert into streams (id, url) values (%s, %s)", [number, url])
    fleet.add_source(external)
    assert (fleet.sync().inserted, fleet.sync().skipped) == (len(GOOD), 0)
    merged = _stage(fleet, *({"url": url} for url in GOOD))
    assert (merged["inserted"], merged["skipped"]) == (len(GOOD), 0)


@pytest.mark.parametrize("url", BAD, ids=range(len(BAD)))
def test_what_is_no_address_is_refused_by_hand_with_its_reason(fleet: Fleet, url: str) -> None:
    refusal = _add(fleet, url=url, external_id="an id of its own")
    assert refusal is not None
    assert refusal.startswith("p_url: ")
    assert BAD[url] in refusal


def test_a_row_whose_address_turned_bad_keeps_its_station_and_stops_no_other(fleet: Fleet, external: External) -> None:
    """Each is skipped and told; the station that it names stays as it was, and goes on."""
    external.create()
    bad = {url: why for url, why in BAD.items() if url == url.strip(" ")}  # blanks around a value are cut off
    external.add(1, len(bad))
    fleet.add_source(external)
    fleet.sync()
    before = fleet.streams()
    for number, url in enumerate(bad, start=1):
        external.execute("update streams set url = %s, active = false, name = 'bad' where id = %s", [url, number])
    external.add(1001, 1003)
    result = fleet.sync()
    assert (result.inserted, result.skipped, result.removed, result.deactivated) == (3, len(bad), 0, 0)
    told = {row["external_id"]: row["problem"] for row in result.skipped_rows}
    assert len(told) == 20  # the first of them
    assert all(any(why in problem for why in bad.values()) for problem in told.values())
    after = fleet.streams()
    assert {key: after[key] for key in before} == before


def test_a_list_with_bad_addresses_says_each_line_and_is_not_imported(fleet: Fleet, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "radios.json"
    bad = {url: why for url, why in BAD.items() if url == url.strip()}  # white space around a value is cut off
    path.write_text(json.dumps([{"url": url, "id": number} for number, url in enumerate([*bad, *GOOD])], indent=1))
    for option in ([], ["--dry-run"]):
        result = run(import_streams, path, *option, "--json")
        assert result.exit_code == 1
        problems = json.loads(result.stderr)["error"]["detail"]["problems"]
        assert len(problems) == len(bad)
        assert all(why in problem["text"] for why, problem in zip(bad.values(), problems, strict=True))
    assert fleet.streams("radios") == {}


@pytest.mark.parametrize("problem", TOO_LONG)
def test_what_is_too_long_is_refused_by_hand_and_skipped_in_a_list(fleet: Fleet, problem: str) -> None:
    """One such row stops no other: what is indexed would fail in the index, with all rows of the batch."""
    [[argument, value]] = TOO_LONG[problem].items()
    assert _add(fleet, url="http://radio.example/1", **{argument: value}) == f"p_{argument}: {problem}"
    merged = _stage(fleet, {"url": "http://radio.example/2"}, {"url": "http://radio.example/3", argument: value})
    assert (merged["inserted"], merged["skipped"]) == (1, 1)
    assert [row["problem"] for row in merged["skipped_rows"]] == [problem]
    assert len(json.dumps(merged["skipped_rows"])) < 1000


def test_required_capabilities_have_a_bound_too(fleet: Fleet) -> None:
    problem = "the required capabilities are longer than 2000 bytes"
    refusal = _add(fleet, url="http://radio.example/1", required_capabilities=CAPABILITIES)
    assert refusal == f"p_required_capabilities: {problem}"
    required = {"metadata": {"required_capabilities": CAPABILITIES}}
    merged = _stage(fleet, {"url": "http://radio.example/2"}, {"url": "http://radio.example/3", **required})
    assert [row["problem"] for row in merged["skipped_rows"]] == [problem]


def test_the_rule_can_be_asked(fleet: Fleet) -> None:
    named = {"url": "http://radio.example/2", "name": "x" * 2001}
    stations = [{"url": "http://radio.example/1"}, {"url": "http:///x"}, named]
    assert db.call(fleet.conn, "station_problems", stations=json.dumps(stations)) == [
        {"place": 2, "problem": "the url has no host"},
        {"place": 3, "problem": "the name is longer than 2000 bytes"},
    ]
    for bad in (None, "{}", "[1]", '"x"'):
        with pytest.raises(BadArgument):
            db.call(fleet.conn, "station_problems", stations=bad)
