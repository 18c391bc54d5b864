"""Metrics (R6.4): each moves when the real thing happens, and by as much."""

import random
import uuid
from bisect import bisect_left
from itertools import accumulate
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator import templates
from tests.fleet import Fleet, Row, Worker, refused
from tests.rooms import fleet_files, path_of


def _series(fleet: Fleet, name: str) -> dict[Any, Row]:
    """The rows of a metric by the value of their one label; None for one without labels."""
    rows = [row for row in fleet.admin("metrics") if row["name"] == f"orchestrator_{name}"]
    return {next(iter(row["labels"].values()), None): row for row in rows}


def _value(fleet: Fleet, name: str, label: str | None = None) -> float:
    value: float = _series(fleet, name)[label]["value"]
    return value


def _observed(fleet: Fleet, name: str, label: str | None = None) -> tuple[int, float]:
    """How many there were of a histogram, and their sum."""
    row = _series(fleet, name)[label]
    assert len(row["counts"]) == len(row["bounds"]) + 1
    assert row["count"] == sum(row["counts"])
    return row["count"], round(row["sum"], 3)


# -- definitions -------------------------------------------------------------------------------------------------------


def test_names_units_labels_and_bounds_are_as_prometheus_wants_them(fleet: Fleet) -> None:
    fleet.start(10, streams=2)[0].beat(cpu_usage=1, memory_usage=2, timestamp="2026-03-01T12:00:00Z")
    defined = {row["metric"]: row for row in fleet.query("select * from {p}.metric")}
    for name, row in defined.items():
        assert name.startswith("orchestrator_") and name == name.lower(), name
        assert row["unit"] in (None, "seconds", "ratio", "streams"), name
        assert not {"instance", "job", "le", "quantile"} & set(row["labels"]), name
        assert row["help"].endswith("."), name
        assert row["bounds"] is None or row["bounds"] == sorted(set(row["bounds"])), name
    rows = fleet.admin("metrics")
    assert len(rows) > 80
    seen = set()
    for row in rows:
        assert set(row["labels"]) == set(defined[row["name"]]["labels"]), row
        assert row["kind"] == "histogram" or row["value"] is not None, row
        seen.add((row["name"], tuple(sorted(row["labels"].items()))))
    assert len(seen) == len(rows)
    # what has not happened yet and has no label to say it with, and what only clients that ask for their streams have
    assert defined.keys() - {row["name"] for row in rows} == {
        "orchestrator_instance_immovable_streams",
        "orchestrator_source_failures",
        "orchestrator_source_success_timestamp_seconds",
        "orchestrator_sync_duration_seconds",
    }


def test_a_value_is_counted_into_the_bucket_whose_bound_it_does_not_exceed(fleet: Fleet) -> None:
    name = "orchestrator_failover_duration_seconds"
    [bounds] = [row["bounds"] for row in fleet.query("select bounds from {p}.metric where metric = %s", name)]
    values = [*bounds, *(random.uniform(0, 4000) for _ in range(50)), 0.0, 1e9]
    random.shuffle(values)
    expected = [0] * (len(bounds) + 1)
    for some in (values[:30], values[30:], []):
        fleet.query("select {p}.observe(%s, 'silence', %s) as done", name, some)
    for value in values:
        expected[bisect_left(bounds, value)] += 1
    row = _series(fleet, "failover_duration_seconds")["silence"]
    assert row["counts"] == expected
    assert row["sum"] == pytest.approx(sum(values))


def test_counts_under_other_bounds_begin_anew(fleet: Fleet, request: pytest.FixtureRequest) -> None:
    """As the file of definitions does it when a release brings other bounds."""
    [file] = [path for path in fleet_files() if "insert into {{ private }}.metric " in path.read_text()]

    fleet.query("select {p}.observe('orchestrator_handover_duration_seconds', 'forced', '{{3}}') as done")
    fleet.query("update {p}.metric set bounds = '{{1}}' where metric = 'orchestrator_handover_duration_seconds'")
    fleet.query("select {p}.observe('orchestrator_failover_duration_seconds', 'silence', '{{3}}') as done")
    fleet.owner_conn.execute(templates.render(path_of(file), fleet.database.names).encode())
    assert _observed(fleet, "handover_duration_seconds", "forced") == (0, 0)
    assert _observed(fleet, "failover_duration_seconds", "silence") == (1, 3)


# -- decisions ---------------------------------------------------------------------------------------------------------


def test_decisions_are_counted_by_rule_with_their_moves_and_durations(fleet: Fleet) -> None:
    first, second = fleet.start(20, 20, streams=12)
    fleet.admin("move_stream", stream_id=1, instance_id=second.instance_id)
    fleet.admin("plan_rebalance")  # decides nothing
    fleet.admin("what_if", without=[first.instance_id])
    second.call("deregister_instance")
    recorded = fleet.query(
        "select rule, count(*) as times, sum(moves) as moves, sum(least_moves) as least, "
        "extract(epoch from sum(duration)) as seconds from {p}.decision group by rule"
    )
    assert len(recorded) >= 3
    assert _series(fleet, "moves_total").keys() == {row["rule"] for row in recorded}
    for row in recorded:
        assert _observed(fleet, "decision_duration_seconds", row["rule"]) == (row["times"], float(row["seconds"]))
        assert _value(fleet, "moves_total", row["rule"]) == row["moves"]
        assert _value(fleet, "least_moves_total", row["rule"]) == row["least"]
    # who says goodbye is not lost
    assert _value(fleet, "moves_total", "goodbye") > 0
    assert sum(row["count"] for row in _series(fleet, "failover_duration_seconds").values()) == 0


def test_a_hand_over_takes_from_the_asking_until_the_next_owner_has_it(fleet: Fleet) -> None:
    first, *_ = fleet.start(10, streams=9)
    second = fleet.register("fv-2")
    third = fleet.register("fv-3")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    asked = [row["stream_id"] for row in fleet.view("streams", state="releasing")]
    assert len(asked) == 6
    for worker in (second, third):
        worker.obey()
    fleet.clock.advance("4 seconds")
    first.acknowledge(stopped=asked[:4])
    assert _observed(fleet, "handover_duration_seconds", "confirmed") == (4, 16)
    assert _observed(fleet, "handover_duration_seconds", "forced") == (0, 0)
    fleet.clock.advance("27 seconds")
    assert fleet.run("finish_handoffs") == {"forced": 2}
    assert _observed(fleet, "handover_duration_seconds", "confirmed") == (4, 16)
    assert _observed(fleet, "handover_duration_seconds", "forced") == (2, 62)


def test_a_hand_over_to_an_instance_without_room_any_more_is_none(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id=second.instance_id)
    fleet.admin("set_capacity", instance_id=second.instance_id, max_streams=2)
    first.follow(first.beat())
    assert fleet.last_decision()["rule"] == "next owner gone"
    assert _observed(fleet, "handover_duration_seconds", "confirmed") == (0, 0)


def test_a_failover_takes_from_the_last_sign_of_life_until_another_has_the_stream(fleet: Fleet) -> None:
    """R1.2, R4.1"""
    first, second, third = fleet.start(20, 20, 20, streams=12)
    session = first.attach()
    fleet.run("watch_instances")
    fleet.clock.advance("20 seconds")
    session.close()
    while not fleet.value("select exists (select from {p}.sessions_changed()) as seen"):
        pass
    fleet.run("watch_instances")
    fleet.clock.advance("11 seconds")
    for worker in (second, third):
        worker.obey()
    moves = len(first.running)
    assert fleet.run("watch_instances")["moves"] == moves
    # its session outlived its last beat by 20 seconds
    assert _observed(fleet, "failover_duration_seconds", "session lost") == (moves, 11 * moves)

    fleet.all_obey(but=first.instance_id)
    fleet.clock.advance("200 seconds")
    third.obey()
    fleet.run("watch_instances")
    fleet.clock.advance("101 seconds")
    third.obey()
    moves = len(second.running)
    assert fleet.run("watch_instances")["moves"] == moves
    assert _observed(fleet, "failover_duration_seconds", "silence") == (moves, 301 * moves)


def test_what_none_could_take_counts_from_the_last_beat_when_one_can(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=4)
    fleet.clock.advance("301 seconds")
    assert fleet.run("watch_instances")["lost"] == [worker.instance_id]
    assert _observed(fleet, "failover_duration_seconds", "silence") == (0, 0)
    fleet.clock.advance("99 seconds")
    fleet.register("fv-2").beat()
    fleet.run("watch_instances")
    assert _observed(fleet, "failover_duration_seconds", "orphaned") == (4, 1600)


def test_streams_that_are_given_back_failed_or_silent_are_counted(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=8)
    back, failing, silent, _ = first.running
    del first.running[back]
    first.call("release_streams", streams=[back])
    for _ in range(3):
        first.fail(failing)
    assert {reason: row["value"] for reason, row in _series(fleet, "refusals_total").items()} == {
        "released": 1,
        "failed": 1,  # only the last of three reports counts against the instance
        "silent": 0,
    }
    fleet.all_obey()
    for _ in range(8):
        stalled = [{"stream_id": silent, "epoch": first.running[silent], "silent_for": 100}]
        first.beat(stalled=stalled, progressing=1)
        second.beat()
        fleet.clock.advance("10 seconds")
    fleet.run("watch_stalls")
    assert _value(fleet, "refusals_total", "silent") == 1


# -- beats -------------------------------------------------------------------------------------------------------------


def test_beats_are_counted_and_those_that_did_not_come(fleet: Fleet) -> None:
    [worker] = fleet.start(10)
    name = worker.instance_id
    begun = _value(fleet, "beats_total", name)
    for seconds, interval, missed in ((30, 30, 0), (59, 30, 0), (95, 30, 2), (95, None, 4), (30, 10, 6)):
        fleet.clock.advance(f"{seconds} seconds")
        worker.beat(**({"heartbeat_interval": interval} if interval else {}))
        assert _value(fleet, "beats_missed_total", name) == missed
    assert _value(fleet, "beats_total", name) == begun + 5
    # an instance that was not there promised nothing
    fleet.clock.advance("10 minutes")
    fleet.register(name, process="2").beat()
    assert _value(fleet, "beats_missed_total", name) == 6
    assert _value(fleet, "beats_total", name) == begun + 6


def test_the_round_trip_of_a_beat_counts_once(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10)
    first.beat(round_trip=0.004)
    second.beat()
    fleet.run("evaluate_alerts")
    assert _observed(fleet, "beat_round_trip_seconds") == (0, 0)  # it may not be committed yet
    for _ in range(3):
        fleet.clock.advance("10 seconds")
        fleet.run("evaluate_alerts")
        assert _observed(fleet, "beat_round_trip_seconds") == (1, 0.004)
    first.beat(round_trip=2)
    second.beat(round_trip=0.1)
    fleet.clock.advance("10 seconds")
    fleet.run("evaluate_alerts")
    assert _observed(fleet, "beat_round_trip_seconds") == (3, 2.104)
    # a registration is no beat, and tells nothing again
    fleet.register(first.instance_id)
    fleet.clock.advance("10 seconds")
    fleet.run("evaluate_alerts")
    assert _observed(fleet, "beat_round_trip_seconds") == (3, 2.104)


@pytest.mark.parametrize("value", [-0.1, 86401, "long", "NaN"])
def test_a_round_trip_that_cannot_be_is_refused(fleet: Fleet, value: object) -> None:
    [worker] = fleet.start(10)
    with refused("OR101"):
        worker.beat(round_trip=value)


def test_what_is_known_of_an_instance_is_shown(fleet: Fleet) -> None:
    worker = fleet.register("fv-1", 20, version='7.1 "beta"\n', location="sp")
    fleet.add_streams(5)
    fleet.settle()
    sent = fleet.clock.now.replace(microsecond=0)
    fleet.clock.advance("2 seconds")
    worker.beat(
        processed_count=100, error_count=3, cpu_usage=12.5, memory_usage=40, timestamp=sent.isoformat(), status="active"
    )
    fleet.clock.advance("7 seconds")
    shown = {
        row["name"].removeprefix("orchestrator_instance_"): row
        for row in fleet.admin("metrics")
        if row["labels"].get("instance_id") == "fv-1"
    }
    assert {name: round(row["value"], 3) for name, row in shown.items() if "beats" not in name} == {
        "streams": 5, "max_streams": 20, "load_ratio": 0.25, "cpu_ratio": 0.125, "memory_ratio": 0.4,
        "silence_seconds": 7, "clock_difference_seconds": 2, "processed_total": 100, "errors_total": 3, "info": 1,
    }  # fmt: skip
    assert shown["info"]["labels"] == {
        "instance_id": "fv-1", "status": "active", "version": '7.1 "beta"\n', "location": "sp",
    }  # fmt: skip
    fleet.admin("remove_instance", instance_id="fv-1")
    assert "fv-1" not in _series(fleet, "instance_streams")


# -- jobs, sources, failures -------------------------------------------------------------------------------------------


def _replace(fleet: Fleet, job: str, body: str) -> None:
    """Let a job do something else."""
    fleet.query(
        f"create or replace function {{p}}.{job}() returns jsonb language plpgsql "
        f"as $$ begin {body} return null; end $$"
    )


def test_jobs_tell_how_late_they_began_how_long_they_took_and_how_often_they_failed(fleet: Fleet) -> None:
    fleet.run_due_jobs()
    begun = _observed(fleet, "job_lag_seconds", "settle")
    fleet.query("grant update on {p}.test_clock to public")
    _replace(fleet, "settle", "update {p}.test_clock set moment = moment + interval '2 seconds';")
    _replace(fleet, "watch_recovery", "perform 1 / 0;")
    fleet.query("update {p}.job set enabled = job in ('settle', 'watch_recovery'), next_run_at = {p}.now()")
    fleet.clock.advance("3 seconds")
    runs = {row["job"]: row["outcome"] for row in fleet.admin("run_due_jobs")}
    assert runs == {"settle": "nothing", "watch_recovery": "failed"}
    assert _observed(fleet, "job_lag_seconds", "settle") == (begun[0] + 1, begun[1] + 3)
    assert _observed(fleet, "job_duration_seconds", "settle")[1] == 2
    assert _value(fleet, "job_failures_total", "watch_recovery") == 1
    assert _value(fleet, "jobs_failing") == 1
    # the class of the error is the caller's; a job is called by the database itself
    assert {row["value"] for row in _series(fleet, "retries_total").values()} == {0}


def test_a_job_of_the_driver_takes_from_claim_to_finish(fleet: Fleet) -> None:
    fleet.query("update {p}.job set enabled = job = 'sync_source', next_run_at = {p}.now()")
    fleet.clock.advance("1 second")
    run = fleet.one("run_next_job", outside=True)
    assert (run["job"], run["outcome"]) == ("sync_source", "claimed")
    fleet.clock.advance("40 seconds")
    assert _value(fleet, "jobs_overdue") == 0  # a driver runs it
    fleet.admin("finish_job", job_run_id=run["job_run_id"])
    assert _observed(fleet, "job_duration_seconds", "sync_source") == (1, 40)
    assert _observed(fleet, "job_lag_seconds", "sync_source") == (1, 1)
    fleet.clock.advance("1 minute")
    assert _value(fleet, "jobs_overdue") == 1


def test_a_synchronisation_takes_from_reading_until_it_is_merged(fleet: Fleet) -> None:
    fleet.admin("add_source", source="production", conninfo="host=x.example.org", table_name="streams")
    batch = uuid.uuid4()
    fleet.query(
        "insert into {a}.stream_staging (batch, line, external_id, name, url) values (%s, 1, '1', 'one', 'http://x.example/1')",
        batch,
    )
    read_at = fleet.clock.now
    fleet.clock.advance("4 seconds")
    fleet.admin("sync_streams", source="production", batch=batch, read_at=read_at)
    assert _observed(fleet, "sync_duration_seconds", "production") == (1, 4)
    assert _value(fleet, "source_success_timestamp_seconds", "production") == fleet.clock.now.timestamp()
    fleet.admin("record_sync_failure", source="production", error=Jsonb({"code": "08006", "message": "gone"}))
    assert _observed(fleet, "sync_duration_seconds", "production") == (1, 4)
    assert _value(fleet, "source_failures", "production") == 1
    assert _value(fleet, "retries_total", "unavailable") == 1


def test_failed_calls_are_counted_by_the_class_of_their_error(fleet: Fleet) -> None:
    [worker] = fleet.start(10)
    codes = {"55P03": 2, "OR201": 1, "40P01": 1, "08006": 3, None: 4, "57P01": 1, "OR301": 5, "XX000": 6, "57014": 1}
    codes["OR101"] = 9  # an answer
    told = [{"function": "beat", "sqlstate": code, "message": f"{code}", "count": n} for code, n in codes.items()]
    worker.call("report_failures", failures=Jsonb(told[:5]))
    fleet.admin("record_failures", reporter="driver:one", failures=Jsonb(told[5:]))
    assert {name: row["value"] for name, row in _series(fleet, "retries_total").items()} == {
        "contention": 4, "unavailable": 8, "fenced": 5, "other": 7,
    }  # fmt: skip


# -- the fleet ---------------------------------------------------------------------------------------------------------


def test_gauges_say_how_the_fleet_stands(fleet: Fleet) -> None:
    fleet.start(10, 30, streams=20)
    lost = fleet.register("lost", 5)
    fleet.admin("set_stream_active", stream_id=1, active=False)
    fleet.admin("pause_balancing", reason="works")
    fleet.query("select {p}.open_alert('memory', 'fv-1', 'warning', 'full', '{{}}') as done")
    fleet.query("update {p}.controller set recovery_since = {p}.now()")
    fleet.value("select {p}.step_instance(%s, 'late') as status", lost.instance_id)

    def by_label(name: str) -> dict[str, float]:
        return {label: row["value"] for label, row in _series(fleet, name).items() if row["value"]}

    assert by_label("instances") == {"active": 2, "warning": 1}
    assert by_label("streams") == {"running": 19, "idle": 1}
    assert by_label("open_alerts") == {"warning": 1}
    assert _value(fleet, "capacity_streams") == 45
    assert round(_value(fleet, "load_ratio"), 3) == 0.422
    assert round(_value(fleet, "imbalance_ratio"), 2) == round(max(_load(fleet).values()), 2)
    assert _value(fleet, "balancing_paused") == _value(fleet, "recovery_mode") == 1
    assert _value(fleet, "drivers") == 0
    [info] = [row for row in fleet.admin("metrics") if row["name"] == "orchestrator_info"]
    assert int(info["labels"]["migration"]) >= 4
    assert info["labels"]["postgresql"] in fleet.value("select current_setting('server_version')")


def _load(fleet: Fleet) -> dict[str, float]:
    return {name: row["value"] for name, row in _series(fleet, "instance_load_ratio").items()}


def test_a_driver_that_is_connected_is_counted_once(fleet: Fleet) -> None:
    named = [fleet.database.connect() for _ in range(3)]
    for conn, name in zip(named, ("run db-1:4711", "run db-1:4711 sync_source", "run db-2:12"), strict=True):
        conn.execute(f"set application_name = 'orchestrator:{name}'")
    assert _value(fleet, "drivers") == 2


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_the_json_says_the_same_as_the_rows(fleet: Fleet) -> None:
    first, second = fleet.start(20, 20, streams=12)
    _eventful(fleet, first, second)
    body = fleet.one("http_metrics")["body"]
    told = {}
    for part in body.values():
        for name, rows in part["series"].items():
            for row in rows:
                told[name, tuple(sorted(row["labels"].items()))] = row
    rows = {
        (row["name"], tuple(sorted(row["labels"].items()))): row
        for row in fleet.admin("metrics")
        if "instance_id" not in row["labels"]
    }
    assert told.keys() == rows.keys()
    for key, row in rows.items():
        if row["kind"] != "histogram":
            assert told[key]["value"] == pytest.approx(row["value"]), key
            continue
        assert (told[key]["count"], told[key]["sum"]) == (row["count"], pytest.approx(row["sum"])), key
        buckets = told[key]["buckets"]
        bounds = sorted(buckets, key=float)
        assert [float(bound) for bound in bounds] == [*row["bounds"], float("inf")], key
        assert [buckets[bound] for bound in bounds] == list(accumulate(row["counts"])), key
    for mine in body["instance_metrics"]["by_instance"]:
        assert mine["beats_total"] == _value(fleet, "beats_total", mine["instance_id"])
        assert mine["streams"] == _value(fleet, "instance_streams", mine["instance_id"])
    assert body["rebalancing_metrics"]["moves_last_hour"] == sum(
        row["value"] for row in _series(fleet, "moves_total").values()
    )


def _eventful(fleet: Fleet, first: Worker, second: Worker) -> None:
    first.beat(round_trip=0.02)
    fleet.clock.advance("10 seconds")
    fleet.run_due_jobs()
    fleet.admin("move_stream", stream_id=1, instance_id=second.instance_id)
    second.call("deregister_instance")
