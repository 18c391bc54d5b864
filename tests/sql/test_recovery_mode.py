"""Recovery mode: when too much fails, nothing is moved that could stay, until it has been quiet (R4.3)."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Row


def _fail(fleet: Fleet, count: int, reporter: str = "driver:one", ago: float = 0) -> Row:
    failure = {"function": "beat", "message": "timed out", "count": count, "first_ago": ago, "last_ago": ago}
    return fleet.one("record_failures", reporter=reporter, failures=Jsonb([failure]))


def _is_on(fleet: Fleet) -> bool:
    [row] = fleet.view("fleet")
    return row["recovery_since"] is not None


def _recovery(fleet: Fleet) -> Any:
    """Switch it on."""
    _fail(fleet, 11)
    return fleet.run("watch_recovery")


def _lopsided(fleet: Fleet) -> None:
    """fv-1 has everything that fv-2 should share, and nothing has asked for a settlement."""
    fleet.start(10, streams=10)
    fleet.register("fv-2", 10).beat()
    fleet.query("delete from {p}.settle_request")


# -- on and off --------------------------------------------------------------------------------------------------------


def test_more_than_ten_failures_a_minute_switch_it_on(fleet: Fleet) -> None:
    _fail(fleet, 6, "driver:one", ago=40)
    _fail(fleet, 4, "driver:two")
    assert fleet.run("watch_recovery") is None
    _fail(fleet, 1, "driver:two")
    assert fleet.run("watch_recovery") == {
        "recovery_mode": "on",
        "failures": 11,
        "threshold": 10,
        "reporters": {"driver:one": 6, "driver:two": 5},
    }
    [row] = fleet.view("fleet")
    assert row["recovery_since"] == fleet.clock.now
    assert row["recovery_detail"]["failures"] == 11
    assert fleet.run("watch_recovery") is None  # it is on already
    assert _fail(fleet, 1)["recovery"] is True


@pytest.mark.parametrize(("ago", "is_on"), [(50, True), (60, False)])
def test_a_minute_is_six_whole_steps_of_ten_seconds(fleet: Fleet, ago: int, is_on: bool) -> None:
    _fail(fleet, 10, "driver:one", ago=ago)
    _fail(fleet, 1, "driver:two")
    assert (fleet.run("watch_recovery") is not None) == is_on


def test_failures_over_a_longer_time_do_not(fleet: Fleet) -> None:
    for _ in range(30):
        _fail(fleet, 1)
        fleet.clock.advance("6 seconds")
        assert fleet.run("watch_recovery") is None


def test_it_ends_by_itself_when_it_has_been_quiet(fleet: Fleet) -> None:
    _recovery(fleet)
    fleet.clock.advance("1 minute")
    _fail(fleet, 6)  # more than half of what switches it on
    fleet.clock.advance("2 minutes")
    assert fleet.run("watch_recovery") is None
    fleet.clock.advance("10 seconds")
    result = fleet.run("watch_recovery")
    assert (result["recovery_mode"], result["since"]) == ("off", (fleet.clock.now - timedelta(seconds=190)).isoformat())
    [row] = fleet.view("fleet")
    assert (row["recovery_since"], row["recovery_ended_at"]) == (None, fleet.clock.now)


def test_what_still_fails_now_and_then_does_not_keep_it_on(fleet: Fleet) -> None:
    _recovery(fleet)
    for _ in range(11):
        assert _is_on(fleet)
        fleet.clock.advance("12 seconds")
        _fail(fleet, 1)  # five a minute
        fleet.run("watch_recovery")
    assert not _is_on(fleet)


def test_it_stays_on_for_a_while_however_old_the_failures_were(fleet: Fleet) -> None:
    """They are told afterwards, when the database could be reached again."""
    _fail(fleet, 11, ago=45)
    fleet.run("watch_recovery")
    fleet.clock.advance("119 seconds")
    assert fleet.run("watch_recovery") is None
    fleet.clock.advance("1 second")
    assert fleet.run("watch_recovery")["recovery_mode"] == "off"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    threshold=st.integers(1, 20),
    quiet=st.sampled_from([60, 120, 300]),
    series=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 25), st.integers(0, 70)), min_size=1, max_size=40),
)
def test_under_any_failures_it_never_flaps_and_always_ends(
    fleet: Fleet, threshold: int, quiet: int, series: list[tuple[int, int, int]]
) -> None:
    """On for recovery_quiet_time at least; on only by more failures than allowed; over after as long without any."""
    fleet.query("delete from {p}.failure_count")
    fleet.query("update {p}.controller set recovery_since = null, recovery_ended_at = null, recovery_detail = null")
    fleet.set("recovery_failures_per_minute", str(threshold))
    fleet.set("recovery_quiet_time", f"{quiet} seconds")
    fleet.clock.advance("1 day")
    now, since, told = 0, None, []
    calm = [(10, 0, 0)] * (2 * quiet // 10 + 8)
    for step, count, ago in [*series, *calm]:
        now += step
        fleet.clock.advance(f"{step} seconds")
        if count:
            _fail(fleet, count, ago=ago)
            told.append((now - ago, count))
        result = fleet.run("watch_recovery") or {}
        if result.get("recovery_mode") == "on":
            assert since is None
            assert sum(count for at, count in told if now - 60 <= at <= now) > threshold
            since = now
        elif result:
            assert since is not None
            assert now - since >= quiet
            for begin in range(now - quiet, now - 60):
                assert sum(count for at, count in told if begin + 10 <= at < begin + 60) <= threshold // 2
            since = None
        elif since is None:
            # no more than allowed in any six steps of ten seconds are surely looked at
            assert sum(count for at, count in told if now - 50 < at <= now) <= threshold
    assert since is None
    assert not _is_on(fleet)


# -- what it freezes, and what not -------------------------------------------------------------------------------------


def test_balancing_by_itself_is_frozen(fleet: Fleet) -> None:
    _lopsided(fleet)
    _recovery(fleet)
    assert fleet.run("check_balance") is None
    fleet.query("select {p}.request_settle('capacity')")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 10, "fv-2": 0}
    decision = fleet.last_decision()
    assert (decision["rule"], decision["moves"]) == ("settle", 0)
    assert decision["detail"]["frozen"] is True
    assert decision["detail"]["recovery_since"] is not None


def test_an_instance_that_joins_gets_what_waits_and_nothing_of_the_others(fleet: Fleet) -> None:
    fleet.start(5, streams=7)
    _recovery(fleet)
    fleet.register("fv-2", 10).beat()
    fleet.settle()
    assert fleet.loads() == {"fv-1": 5, "fv-2": 2}


def test_failover_is_never_frozen(fleet: Fleet) -> None:
    """R4.3, R1.2"""
    first, second = fleet.start(10, 10, streams=10)
    _recovery(fleet)
    first.call("deregister_instance")
    assert fleet.loads()["fv-2"] == 10
    second.obey()


def test_a_lost_instance_is_replaced_while_it_is_on(fleet: Fleet) -> None:
    _, second = fleet.start(10, 10, streams=10)
    _recovery(fleet)
    fleet.clock.advance("299 seconds")
    second.beat()
    _fail(fleet, 11)
    fleet.pass_time("1 second")
    assert _is_on(fleet)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 10}


def test_drains_go_on(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=10)
    _recovery(fleet)
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 10}


def test_an_administrator_may_rebalance_and_it_says_so(fleet: Fleet) -> None:
    _lopsided(fleet)
    _recovery(fleet)
    plan = fleet.admin("plan_rebalance")
    fleet.one("apply_plan", plan_id=plan[0]["plan_id"])
    assert fleet.last_decision()["detail"]["recovery_since"]
    fleet.all_obey()
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=40)
    assert fleet.one("rebalance")["moves"] == 3
    assert fleet.last_decision()["detail"]["recovery_since"]


def test_what_became_unfair_is_levelled_when_it_ends(fleet: Fleet) -> None:
    _lopsided(fleet)
    _recovery(fleet)
    fleet.clock.advance("2 minutes 10 seconds")
    fleet.workers["fv-1"].beat()
    fleet.workers["fv-2"].beat()
    fleet.run("watch_recovery")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 5, "fv-2": 5}
    assert fleet.last_decision()["trigger"] == "resumed"


def test_that_balancing_is_resumed_does_not_end_it(fleet: Fleet) -> None:
    _recovery(fleet)
    fleet.admin("pause_balancing")
    fleet.admin("resume_balancing")
    assert _is_on(fleet)


# -- ended by hand -----------------------------------------------------------------------------------------------------


def test_an_administrator_ends_it_and_only_new_failures_begin_it_again(fleet: Fleet) -> None:
    _recovery(fleet)
    began = fleet.clock.now
    fleet.clock.advance("10 seconds")
    assert fleet.one("end_recovery") == {"recovery_since": began, "failures_in_last_minute": 11}
    assert not _is_on(fleet)
    assert fleet.view("fleet")[0]["recovery_detail"]["ended_by"]
    assert fleet.query("select reason from {p}.settle_request") == [{"reason": "resumed"}]
    assert fleet.run("watch_recovery") is None
    fleet.clock.advance("10 seconds")
    _fail(fleet, 11)
    assert fleet.run("watch_recovery")["recovery_mode"] == "on"


def test_to_end_it_when_it_is_off_does_nothing(fleet: Fleet) -> None:
    assert fleet.one("end_recovery") == {"recovery_since": None, "failures_in_last_minute": 0}
    assert fleet.query("select * from {p}.settle_request") == []


# -- to be seen --------------------------------------------------------------------------------------------------------


def test_health_says_what_fails_and_that_it_is_on(fleet: Fleet) -> None:
    _fail(fleet, 3)
    [row] = [row for row in fleet.admin("health") if row["component"] == "recovery"]
    assert (row["status"], row["finding"]) == ("healthy", "3 failures in the last minute")
    _recovery(fleet)
    [row] = [row for row in fleet.admin("health") if row["component"] == "recovery"]
    assert (row["status"], row["detail"]["failures"]) == ("degraded", 14)
    assert row["finding"].startswith("recovery mode")


def test_the_job_runs_by_itself(fleet: Fleet) -> None:
    _fail(fleet, 11)
    assert fleet.pass_time("2 seconds")["watch_recovery"]["recovery_mode"] == "on"


# -- what else counts --------------------------------------------------------------------------------------------------


def test_a_job_that_fails_is_a_failure_with_its_sqlstate_and_context(fleet: Fleet) -> None:
    """R4.4"""
    fleet.query(
        "create or replace function {p}.settle() returns jsonb language plpgsql as "
        "$$ begin return to_jsonb(1 / 0); end $$"
    )
    fleet.clock.advance("1 second")
    failed = [row["job"] for row in fleet.admin("run_due_jobs") if row["outcome"] == "failed"]
    assert failed == ["settle"]
    assert fleet.query("select reporter, failures from {p}.failure_count") == [
        {"reporter": "job:settle", "failures": 1}
    ]
    [pattern] = fleet.view("incident_patterns")
    assert (pattern["pattern"], pattern["sqlstate"]) == ("division by zero", "22012")
    assert pattern["example"]["function"] == "settle"
    assert "PL/pgSQL function" in pattern["example"]["detail"]
    assert fleet.view("failure_streaks") == []


def test_a_source_that_cannot_be_synchronised_is_a_failure(fleet: Fleet) -> None:
    error = {"code": "08006", "message": "no route to 10.0.0.1", "detail": None, "hint": None}
    fleet.admin("add_source", source="field", conninfo="host=nowhere dbname=radio", table_name="streams")
    fleet.admin("record_sync_failure", source="field", error=Jsonb(error))
    assert fleet.query("select reporter from {p}.failure_count") == [{"reporter": "source:field"}]
    [pattern] = fleet.view("incident_patterns")
    assert (pattern["pattern"], pattern["sqlstate"]) == ("no route to <address>", "08006")
