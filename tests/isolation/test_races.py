"""Two sessions at once. One is held in an open transaction; the other is seen to wait for it, or not to."""

from collections.abc import Callable

import pytest
from psycopg import IsolationLevel
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.isolation.sessions import Session, refusal, result
from tests.properties.lawful import LawfulFleet, Worker
from tests.support import digest_of

Open = Callable[[], Session]


def _who(worker: Worker) -> dict[str, object]:
    return {"instance_id": worker.name, "incarnation": worker.incarnation}


def _beat(session: Session, worker: Worker, **report: object) -> list[db.Row]:
    told = digest_of(worker.running.items())
    return session.call("heartbeat", **_who(worker), digest=told, report=dict(report))


def _moving(fleet: LawfulFleet) -> tuple[Worker, Worker, int]:
    """fv-1 was asked to hand a stream over to fv-2, and knows it."""
    first, second = fleet.start(4, 4, streams=4)
    stream_id = min(first.running)
    fleet.call("move_stream", stream_id=stream_id, instance_id="fv-2")
    return first, second, stream_id


def _decisions(fleet: LawfulFleet, rule: str) -> list[dict[str, object]]:
    return [dict(d) for d in fleet.look_again().decisions.values() if d["rule"] == rule]


def _make_old_history(session: Session) -> None:
    """A decision of last month that moved four streams; of all jobs only the purge is due."""
    for text in (
        "insert into {p}.decision (decided_at, rule, trigger, actor) "
        "values ({p}.now() - interval '31 days', 'old', 'test', 'test')",
        "insert into {p}.movement (stream_id, epoch, decision_id, reason, moved_at) "
        "select 1000 + n, 1, d.decision_id, 'old', d.decided_at "
        "from {p}.decision as d, generate_series(1, 4) as n where d.rule = 'old'",
        "update {p}.job set next_run_at = case when job = 'purge_history' then {p}.now() else 'infinity' end",
    ):
        session.conn.execute(text.format(p=session.conn.names.private).encode())


# -- two drivers ---------------------------------------------------------------


def test_two_drivers_lose_an_instance_once(fleet: LawfulFleet, session: Open) -> None:
    """R1.2, R4.1: the second waits for the first, looks again and finds nothing to do."""
    lost, other = fleet.start(6, 6, streams=4)
    fleet.clock.advance("299 seconds")
    fleet.beat(other)
    fleet.clock.advance("1 second")
    one, two = session(), session()
    with one.transaction():
        assert one.private("watch_instances")["lost"] == [lost.name]
        waiting = two.start_and_wait_for(lambda: two.private("watch_instances"), one)
    assert result(waiting) is None
    [decision] = _decisions(fleet, "silence")
    assert (decision["moves"], decision["least_moves"]) == (2, 2)


def test_two_drivers_never_run_one_job_together(fleet: LawfulFleet, session: Open) -> None:
    """A job that one driver runs is passed over by the others; none waits."""
    one, two = session(), session()
    fleet.clock.advance("1 second")
    with one.transaction():
        [run] = one.call("run_next_job")
        with two.transaction():
            [other] = two.call("run_next_job")
            assert run["job"] != other["job"]


def test_two_drivers_settle_once(fleet: LawfulFleet, session: Open) -> None:
    fleet.start(4, streams=4)
    fleet.join("fv-2", 4)
    fleet.clock.advance("2 seconds")
    one, two = session(), session()
    with one.transaction():
        assert one.private("settle")["moves"] == 2
        waiting = two.start_and_wait_for(lambda: two.private("settle"), one)
    assert result(waiting) is None
    assert [d["moves"] for d in _decisions(fleet, "settle")][-1] == 2


def test_a_purge_keeps_no_decision_and_no_beat_waiting_and_waits_for_none(fleet: LawfulFleet, session: Open) -> None:
    first, second = fleet.start(6, 6, streams=4)
    driver, purge = session(), session()
    _make_old_history(driver)
    with purge.transaction():
        assert purge.private("purge_history")["movements"] == 4
        assert _beat(driver, first) == []
        assert driver.call("deregister_instance", instance_id=first.name, incarnation=first.incarnation)
        with driver.transaction():
            driver.private("lock_decisions")
            assert purge.private("purge_history")["decisions"] == 1
    fleet.beat(second)


def test_two_drivers_purge_side_by_side(fleet: LawfulFleet, session: Open) -> None:
    """One at a time; the other passes it over, and goes on with it when it is free."""
    one, two = session(), session()
    _make_old_history(one)
    with one.transaction():
        assert one.call("run_next_job")[0]["result"]["more"]
        assert two.call("run_next_job")[0]["job"] is None
    [rest] = two.call("run_next_job")
    assert (rest["job"], rest["result"]["decisions"]) == ("purge_history", 1)


def test_a_rebalance_that_waited_decides_on_what_it_finds_then(fleet: LawfulFleet, session: Open) -> None:
    """The lock is taken in a statement of its own: what is read afterwards is the present."""
    fleet.start(8, streams=8)
    fleet.call("register_instance", instance_id="fv-2", max_streams=8)
    one, two = session(), session()
    with one.transaction():
        assert one.call("rebalance")[0]["moves"] == 4
        waiting = two.start_and_wait_for(lambda: two.call("rebalance"), one)
    assert result(waiting)[0]["moves"] == 0


def test_an_instance_that_says_goodbye_while_it_is_lost_goes_once(fleet: LawfulFleet, session: Open) -> None:
    worker, _ = fleet.start(6, 6, streams=4)
    fleet.clock.advance("300 seconds")
    one, two = session(), session()
    with one.transaction():
        one.call("deregister_instance", **_who(worker))
        waiting = two.start_and_wait_for(lambda: two.private("watch_instances"), one)
    assert worker.name not in result(waiting)["lost"]
    assert fleet.look_again().instances[worker.name]["status"] == "removed"


# -- hand-overs ----------------------------------------------------------------


def test_a_stop_that_comes_while_the_stream_is_taken_by_force(fleet: LawfulFleet, session: Open) -> None:
    """R3.3: it changes hands once; the late word confirms that the old owner has stopped."""
    first, second, stream_id = _moving(fleet)
    fleet.clock.advance("30 seconds")
    driver, worker = session(), session()
    with driver.transaction():
        assert driver.private("finish_handoffs") == {"forced": 1}
        waiting = worker.start_and_wait_for(
            lambda: worker.call("acknowledge", **_who(first), stopped=[stream_id]), driver
        )
    assert result(waiting)[0]["stopped"] == 1
    now = fleet.look_again()
    assert (now.assignments[stream_id]["instance_id"], now.assignments[stream_id]["epoch"]) == (second.name, 2)
    assert [m["reason"] for m in now.movements if m["stream_id"] == stream_id] == ["placed", "hand-over forced"]
    del first.running[stream_id]
    assert _beat(worker, first) == []


def test_a_stop_that_comes_just_before_the_stream_would_be_taken_by_force(fleet: LawfulFleet, session: Open) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.clock.advance("30 seconds")
    driver, worker = session(), session()
    with worker.transaction():
        assert worker.call("acknowledge", **_who(first), stopped=[stream_id])[0]["stopped"] == 1
        waiting = driver.start_and_wait_for(lambda: driver.private("finish_handoffs"), worker)
    assert result(waiting) is None
    now = fleet.look_again()
    assert now.assignments[stream_id]["instance_id"] == second.name
    assert [m["reason"] for m in now.movements if m["stream_id"] == stream_id] == ["placed", "hand-over"]


def test_confirming_starts_waits_for_a_decision_and_keeps_the_next_one_out(fleet: LawfulFleet, session: Open) -> None:
    """Workers confirm side by side; a decision waits until they have, and they wait while one is made."""
    first, second = fleet.start(4, 4)
    streams = [fleet.call("add_stream", url=f"http://new.example/{n}")[0] for n in range(2)]
    started = {s["instance_id"]: ([s["stream_id"]], [s["epoch"]]) for s in streams}

    def confirm(session: Session, worker: Worker) -> int:
        ids, epochs = started[worker.name]
        return int(session.call("acknowledge", **_who(worker), started=ids, started_epochs=epochs)[0]["started"])

    one, two, driver = session(), session(), session()
    with one.transaction(), two.transaction():
        assert (confirm(one, first), confirm(two, second)) == (1, 1)
        waiting = driver.start_and_wait_for(lambda: driver.call("rebalance"), one)
    assert result(waiting)[0]["moves"] == 0
    with driver.transaction():
        driver.call("move_stream", stream_id=streams[0]["stream_id"], instance_id=streams[1]["instance_id"])
        again = one.start_and_wait_for(lambda: confirm(one, first), driver)
    assert result(again) == 1
    first.running, second.running = dict.fromkeys(started["fv-1"][0], 1), dict.fromkeys(started["fv-2"][0], 1)
    fleet.settle()


# -- beats ---------------------------------------------------------------------


def test_no_beat_waits_for_a_decision_in_progress(fleet: LawfulFleet, session: Open) -> None:
    """R2.1: not of an instance that it concerns, not of another, not of one whose status the beat changes."""
    first, second, third = fleet.start(4, 4, 4, streams=9)
    driver, worker = session(), session()
    fresh = fleet.join("fv-4", 4)
    assert fresh is not None
    with driver.transaction():
        assert driver.call("rebalance")[0]["moves"] > 0
        driver.call("remove_instance", instance_id=third.name)
        assert _beat(worker, first) == []  # what is not committed has not happened
        assert _beat(worker, second) == []
        assert _beat(worker, third) == []
        assert _beat(worker, fresh) == []
    assert fleet.look_again().instances["fv-4"]["status"] == "active"
    assert "remove" in {c["action"] for asked in (first, second) for c in _beat(worker, asked)}
    third.running.clear()


def test_a_beat_that_arrives_while_its_instance_is_lost_is_told_at_the_next_one(
    fleet: LawfulFleet, session: Open
) -> None:
    lost, other = fleet.start(6, 6, streams=4)
    fleet.clock.advance("300 seconds")
    fleet.beat(other)
    driver, worker = session(), session()
    with driver.transaction():
        assert driver.private("watch_instances")["lost"] == [lost.name]
        assert _beat(worker, lost) == []
    assert {(c["action"], c["stream_id"]) for c in _beat(worker, lost)} == {("remove", s) for s in lost.running}
    assert fleet.look_again().instances[lost.name]["status"] == "recovering"
    lost.running.clear()
    fleet.settle()


def test_a_late_beat_that_has_to_wait_for_the_loss_of_its_instance_is_told_at_once(
    fleet: LawfulFleet, session: Open
) -> None:
    """An instance in warning: its beat changes its status, so it waits for the session that is changing it."""
    lost, other = fleet.start(6, 6, streams=4)
    fleet.clock.advance("100 seconds")
    fleet.beat(other)
    fleet.run_jobs()
    assert fleet.now.instances[lost.name]["status"] == "warning"
    fleet.clock.advance("200 seconds")
    fleet.beat(other)
    driver, worker = session(), session()
    with driver.transaction():
        assert driver.private("watch_instances")["lost"] == [lost.name]
        waiting = worker.start_and_wait_for(lambda: _beat(worker, lost), driver)
    assert {(c["action"], c["stream_id"]) for c in result(waiting)} == {("remove", s) for s in lost.running}
    assert fleet.look_again().instances[lost.name]["status"] == "recovering"


def test_the_loss_of_one_instance_does_not_wait_for_the_beat_of_another(fleet: LawfulFleet, session: Open) -> None:
    """R1.2: an instance that holds its own row is speaking; it is not lost now, and the loss of all others goes on."""
    slow, lost, other = fleet.start(6, 6, 6, streams=6)
    fleet.clock.advance("100 seconds")
    fleet.beat(other)
    fleet.run_jobs()
    fleet.clock.advance("260 seconds")  # two of three are silent together: restart_grace longer
    fleet.beat(other)
    driver, worker = session(), session()
    with worker.transaction():
        _beat(worker, slow)
        assert driver.private("watch_instances")["lost"] == [lost.name]
    now = fleet.look_again()
    assert (now.instances[slow.name]["status"], now.instances[lost.name]["status"]) == ("active", "inactive")


def test_a_beat_that_asks_to_drain_while_its_instance_would_be_warned(fleet: LawfulFleet, session: Open) -> None:
    """The state machine has no step from draining to warning: the job must not fail over it."""
    slow, other = fleet.start(6, 6, streams=4)
    fleet.clock.advance("100 seconds")
    fleet.beat(other)
    driver, worker = session(), session()
    with worker.transaction():
        _beat(worker, slow, status="draining")
        assert driver.private("watch_instances") is None
    assert fleet.look_again().instances[slow.name]["status"] == "draining"
    assert driver.private("watch_instances") is None


def test_the_fence_waits_for_no_lock(fleet: LawfulFleet, session: Open) -> None:
    lost, _ = fleet.start(6, 6, streams=4)
    stream_id, epoch = next(iter(lost.running.items()))
    admin, writer = session(), session()
    with admin.transaction():
        admin.call("remove_instance", instance_id=lost.name)
        assert writer.call("is_current", stream_id=stream_id, epoch=epoch) == [{"is_current": True}]
    assert writer.call("is_current", stream_id=stream_id, epoch=epoch) == [{"is_current": False}]
    with pytest.raises(OrchestratorError, match="stale epoch"):
        writer.call("assert_current", stream_id=stream_id, epoch=epoch)
    lost.running.clear()


# -- registrations -------------------------------------------------------------


@pytest.mark.parametrize("first_gives_up", [False, True])
def test_of_two_that_register_one_new_id_at_once_one_has_it(
    fleet: LawfulFleet, session: Open, first_gives_up: bool
) -> None:
    one, two = session(), session()
    with one.transaction():
        one.call("register_instance", instance_id="fv-1", max_streams=4, metadata={"process": "one"})
        waiting = two.start_and_wait_for(
            lambda: two.call("register_instance", instance_id="fv-1", max_streams=5, metadata={"process": "two"}), one
        )
        if first_gives_up:
            one.conn.execute("rollback")
            one.conn.execute("begin")
    if first_gives_up:
        assert result(waiting)[0]["incarnation"] == 1
    else:
        assert refusal(waiting) == "OR104"
    [row] = fleet.look_again().instances.values()
    assert row["process"] == ("two" if first_gives_up else "one")


def test_two_registrations_of_one_process_at_once_are_both_right(fleet: LawfulFleet, session: Open) -> None:
    """A retry that overtakes its own first attempt: both answers carry the incarnation that was theirs."""
    one, two = session(), session()
    who = {"instance_id": "fv-1", "max_streams": 4, "metadata": {"process": "one"}}
    with one.transaction():
        assert one.call("register_instance", **who)[0]["incarnation"] == 1
        waiting = two.start_and_wait_for(lambda: two.call("register_instance", **who), one)
    assert result(waiting)[0]["incarnation"] == 2


def _refused_during_a_takeover(fleet: LawfulFleet, session: Open, call: Callable[[Session, Worker], object]) -> Worker:
    """The old process calls while a takeover of its name is not committed: it waits, and is refused."""
    (worker,) = fleet.start(4, streams=2)
    successor, old = session(), session()
    takeover = {"instance_id": worker.name, "max_streams": 4, "takeover": True, "metadata": {"process": "new"}}
    with successor.transaction():
        successor.call("register_instance", **takeover)
        waiting = old.start_and_wait_for(lambda: call(old, worker), successor)
    assert refusal(waiting) == "OR301"
    return worker


def test_a_process_whose_name_is_taken_over_hears_nothing_of_the_new_epochs(fleet: LawfulFleet, session: Open) -> None:
    """Its beat passed the look at its incarnation before the takeover was committed; it is refused all the same."""
    _refused_during_a_takeover(fleet, session, _beat)
    assert {a["epoch"] for a in fleet.look_again().assignments.values()} == {2}


def test_a_process_whose_name_is_taken_over_cannot_attach_any_more(fleet: LawfulFleet, session: Open) -> None:
    """Or the end of its session would end its successor."""
    worker = _refused_during_a_takeover(fleet, session, lambda old, worker: old.call("attach_session", **_who(worker)))
    assert fleet.look_again().instances[worker.name]["session_key"] is None


# -- locks ---------------------------------------------------------------------


def test_no_session_waits_for_the_decision_lock_without_end(fleet: LawfulFleet, session: Open) -> None:
    """R2.1: after the function's own lock_timeout it gives up with 55P03, and says so to the caller, which retries."""
    api = fleet.conn.names.api
    row = fleet.execute(
        "select p.proconfig from pg_proc as p where p.oid = %s::regprocedure", [f"{api}.rebalance(text)"]
    )[0]
    assert "lock_timeout=5s" in row["proconfig"]
    fleet.execute("alter function {api}.rebalance(text) set lock_timeout = '50ms'")
    one, two = session(), session()
    with one.transaction():
        one.call("pause_balancing")
        assert refusal(two.start(lambda: two.call("rebalance"))) == "55P03"


def test_a_job_that_cannot_have_the_decision_lock_fails_alone(fleet: LawfulFleet, session: Open) -> None:
    fleet.start(4, streams=4)
    fleet.join("fv-2", 4)
    fleet.clock.advance("10 seconds")
    fleet.execute("alter function {api}.run_due_jobs() set lock_timeout = '50ms'")
    fleet.execute("alter function {api}.run_next_job(text, boolean, timestamptz) set lock_timeout = '50ms'")
    one, two = session(), session()
    with one.transaction():
        one.call("pause_balancing")
        runs = {run["job"]: run for run in result(two.start(lambda: two.call("run_due_jobs")))}
    assert runs["settle"]["error"]["sqlstate"] == "55P03"
    assert {name for name, run in runs.items() if run["outcome"] == "failed"} <= {"settle", "check_balance"}
    assert runs["evaluate_alerts"]["outcome"] in ("done", "nothing")


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_snapshot_older_than_the_lock_is_refused(fleet: LawfulFleet, session: Open, level: IsolationLevel) -> None:
    (worker,) = fleet.start(4, streams=2)
    one = session()
    one.conn.isolation_level = level
    calls: dict[str, dict[str, object]] = {
        "rebalance": {},
        "acknowledge": {**_who(worker), "started": [1], "started_epochs": [1]},
        "register_instance": {"instance_id": "fv-2", "max_streams": 1},
    }
    for function, parameters in calls.items():
        with pytest.raises(OrchestratorError) as refused, one.transaction():
            one.call(function, **parameters)
        assert refused.value.code == "OR101"


def test_two_sessions_cannot_break_an_inequality_together(fleet: LawfulFleet, session: Open) -> None:
    """heartbeat_warning < heartbeat_timeout: each change would be fine alone."""
    one, two = session(), session()
    with one.transaction():
        one.call("set_setting", name="heartbeat_warning", value="200 seconds")
        waiting = two.start_and_wait_for(
            lambda: two.call("set_setting", name="heartbeat_timeout", value="150 seconds"), one
        )
    assert refusal(waiting) == "OR108"
    rows = fleet.execute("select value::interval as value from {private}.setting where name = 'heartbeat_timeout'")
    assert rows[0]["value"].total_seconds() == 300


# -- jobs ----------------------------------------------------------------------


def test_a_job_that_fails_midway_undoes_only_itself(fleet: LawfulFleet) -> None:
    fleet.start(4, streams=2)
    fleet.execute(
        """
        create or replace function {private}.evaluate_alerts() returns jsonb language plpgsql as $$
        begin
            update {private}.controller set paused_at = now(), paused_reason = 'half done';
            perform {private}.request_settle('half done');
            perform 1 / 0;
            return null;
        end
        $$
        """
    )
    fleet.join("fv-2", 4)
    fleet.clock.advance("10 seconds")
    runs = {run["job"]: run for run in fleet.call("run_due_jobs")}
    assert {name for name, run in runs.items() if run["outcome"] == "failed"} == {"evaluate_alerts"}
    assert runs["evaluate_alerts"]["error"]["sqlstate"] == "22012"
    assert runs["settle"]["result"]["moves"] == 1
    assert fleet.execute("select paused_at from {private}.controller") == [{"paused_at": None}]
    assert fleet.execute("select reason from {private}.settle_request") == []
    [job] = fleet.execute("select * from {private}.job where job = 'evaluate_alerts'")
    assert (job["last_outcome"], job["consecutive_failures"]) == ("failed", 1)
    assert job["next_run_at"] > fleet.clock.now


def test_a_claim_that_was_taken_over_cannot_be_finished(fleet: LawfulFleet, session: Open) -> None:
    slow, fast = session(), session()
    fleet.execute("update {private}.job set enabled = job = 'deliver_alerts'")
    [claim] = slow.call("run_next_job", driver="slow", outside=True)
    assert claim["outcome"] == "claimed"
    fleet.clock.advance("61 seconds")
    with fast.transaction():
        [second] = fast.call("run_next_job", driver="fast", outside=True)
        waiting = slow.start_and_wait_for(lambda: slow.call("finish_job", job_run_id=claim["job_run_id"]), fast)
    assert refusal(waiting) == "OR107"
    [job] = fleet.execute("select claimed_by from {private}.job where job = 'deliver_alerts'")
    assert job["claimed_by"] == "fast"
    fast.call("finish_job", job_run_id=second["job_run_id"])


# -- streams that fail ---------------------------------------------------------


def test_a_failure_reported_while_the_job_waits_for_the_lock_finds_its_station_free(
    fleet: LawfulFleet, session: Open
) -> None:
    """R2.1: the job locks no station before it has the decision lock, or the two would wait for each other."""
    first, _ = fleet.start(4, 4, streams=4)
    forgiven, silent = sorted(first.running)
    one, two = session(), session()
    fleet.execute(
        "insert into {private}.station_fault (stream_id, found_at, last_failed_at, evidence)"
        " select %s, a.moment, a.moment, '[]' from (select {private}.now() - interval '11 minutes' as moment) as a",
        [forgiven],
    )
    fleet.execute(
        "insert into {private}.stall (stream_id, instance_id, epoch, silent_since, reported_at, restarted_at)"
        " select a.stream_id, a.instance_id, a.epoch, n - interval '2 minutes', n, n - interval '1 minute'"
        " from {private}.assignment as a, {private}.now() as n where a.stream_id = %s",
        [silent],
    )
    with one.transaction():
        one.private("lock_decisions")
        job = two.start_and_wait_for(lambda: two.private("watch_stalls"), one)
        failed = [{"stream_id": forgiven, "epoch": first.running[forgiven], "error": "connection refused"}]
        [answer] = one.call("acknowledge", **_who(first), failed=Jsonb(failed))
        assert answer["failed"] == 1
    assert "decision_id" in result(job)
