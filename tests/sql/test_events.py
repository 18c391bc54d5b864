"""Event ids: what happens in one transaction has one id, and an alert carries the id of what it is about."""

import uuid

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row, refused


def _alert(fleet: Fleet, code: str) -> Row:
    fleet.run("evaluate_alerts")
    [alert] = [row for row in fleet.view("alerts", code=code) if row["resolved_at"] is None]
    return alert


def _run_alone(fleet: Fleet, job: str, **parameters: bool) -> Row:
    """The job in a transaction of its own, as a driver has it."""
    fleet.query("update {p}.job set next_run_at = {p}.now() + interval '1 hour' where job <> %s", job)
    fleet.query("update {p}.job set next_run_at = {p}.now() where job = %s", job)
    return fleet.one("run_next_job", **parameters)


def _lose(fleet: Fleet, *instance_ids: str) -> tuple[Row, Row]:
    """The decision, and the run of the job that made it."""
    fleet.query(
        "update {p}.heartbeat set beat_at = beat_at - interval '1 hour' where instance_id = any(%s)", [*instance_ids]
    )
    fleet.query("update {p}.controller set silence_trusted_from = null, silence_counts_from = null")
    run = _run_alone(fleet, "watch_instances")
    assert run["result"]["lost"] == [*instance_ids]
    return fleet.last_decision(), run


def test_a_transaction_has_one_id_also_after_a_rollback_within_it_and_the_next_has_another(fleet: Fleet) -> None:
    conn = fleet.owner_conn
    ids = set()
    for _ in range(2):
        with conn.transaction():
            found = [fleet.value("select {p}.event_id()")]
            for outcome in ("kept", "taken back"):
                with conn.transaction(force_rollback=outcome == "taken back"):
                    found.append(fleet.value("select {p}.event_id()"))
                    conn.execute("set local timezone = 'Asia/Tokyo'")
            found.append(fleet.value("select {p}.event_id()"))
        assert len(set(found)) == 1
        ids.add(found[0])
    assert len(ids) == 2
    assert {event_id.version for event_id in ids} == {8}


@pytest.mark.parametrize("given", ["", "x", "1 not-an-id", "9 11111111-1111-4111-8111-111111111111"])
def test_no_session_can_give_its_transactions_an_id_of_another_transaction(fleet: Fleet, given: str) -> None:
    fleet.owner_conn.execute("select set_config(%s, %s, false)", [f"{fleet.database.names.api}.event_id", given])
    assert len({fleet.value("select {p}.event_id()") for _ in range(2)}) == 2


def test_an_event_is_continued_in_this_transaction_and_no_further(fleet: Fleet) -> None:
    began = uuid.uuid4()
    with fleet.owner_conn.transaction():
        fleet.query("select {p}.continue_event(%s)", began)
        fleet.query("select {p}.continue_event(null)")
        assert fleet.value("select {p}.event_id()") == began
    assert fleet.value("select {p}.event_id()") != began


def test_what_an_administrator_decides_is_answered_with_its_id(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    moved, pinned = fleet.streams_of("fv-1")
    answers = [
        fleet.one("add_stream", url="http://radio.example/new"),
        fleet.one("move_stream", stream_id=moved, instance_id="fv-2"),
        fleet.one("pin_stream", stream_id=pinned, instance_id="fv-2"),
        fleet.one("set_stream_active", stream_id=pinned, active=False),
        fleet.one("remove_stream", stream_id=pinned),
        fleet.one("rebalance"),
        fleet.one("drain_instance", instance_id="fv-1"),
    ]
    [plan, *_] = fleet.admin("plan_rebalance")
    answers += [fleet.one("apply_plan", plan_id=plan["plan_id"]), fleet.one("remove_instance", instance_id="fv-1")]
    for answer in answers:
        [decision] = fleet.view("decisions", event_id=answer["event_id"])
        assert decision["decision_id"] == answer.get("decision_id", decision["decision_id"])
    assert len({answer["event_id"] for answer in answers}) == len(answers)
    # what changed nothing is no event
    assert fleet.one("set_stream_active", stream_id=moved, active=True)["event_id"] is None
    [body] = [row["body"] for row in fleet.admin("http_rebalance", request=Jsonb({}))]
    assert fleet.view("decisions", event_id=body["event_id"])[0]["decision_id"] == fleet.last_decision()["decision_id"]
    explained = {row["decision_id"]: row["event_id"] for row in fleet.admin("explain_stream", stream_id=moved)}
    assert explained == {d["decision_id"]: d["event_id"] for d in fleet.decisions() if d["decision_id"] in explained}
    life = {row["decision_id"]: row["event_id"] for row in fleet.admin("explain_instance", instance_id="fv-1")}
    assert life[fleet.view("decisions", rule="drain")[0]["decision_id"]] == answers[6]["event_id"]
    assert {row["event_id"] for row in fleet.view("movements", stream_id=moved)} <= {
        d["event_id"] for d in fleet.decisions()
    }


def test_a_job_its_run_and_its_decision_have_one_id_and_a_run_that_did_nothing_has_none(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    decision, run = _lose(fleet, "fv-1")
    [job_run] = fleet.view("job_runs", event_id=run["event_id"])
    assert decision["event_id"] == run["event_id"]
    assert (job_run["job_run_id"], decision["decision_id"]) == (run["job_run_id"], run["result"]["decision_id"])
    nothing = _run_alone(fleet, "finish_handoffs")
    assert (nothing["outcome"], nothing["event_id"]) == ("nothing", None)


def test_alerts_of_a_loss_carry_the_id_of_the_decision_and_not_of_the_job_that_noticed(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    fleet.start(10, streams=2)
    lost, _ = _lose(fleet, "fv-1")
    assert lost["rule"] == "silence"
    fleet.clock.advance("2 minutes")
    waiting, inactive = _alert(fleet, "streams_waiting"), _alert(fleet, "no_active_instance")
    assert waiting["event_id"] == inactive["event_id"] == lost["event_id"]
    # no decision is about streams that are new
    fleet.workers["fv-1"].beat()
    fleet.run("evaluate_alerts")
    assert fleet.view("alerts", code="streams_waiting")[0]["resolved_at"] is not None


def test_alerts_of_probation_and_of_a_station_carry_the_ids_of_what_found_them(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=8)
    for number in range(4):
        fleet.query("update {p}.heartbeat set beat_at = beat_at - interval '61 seconds' where instance_id = 'fv-4'")
        fleet.register("fv-4", process=f"crash {number}", takeover=False).obey()
    [relieved] = fleet.decisions("crash loop")
    assert _alert(fleet, "instance_on_probation")["event_id"] == relieved["event_id"]

    for _ in range(3):
        owner = fleet.workers[str(fleet.stream(1)["instance_id"])]
        for _ in range(3):
            owner.fail(1, "connection refused")
        fleet.all_obey()
    found = fleet.value("select event_id from {p}.station_fault")
    assert found is not None
    assert _alert(fleet, "station_failing")["event_id"] == found


def test_an_alert_of_a_failing_job_carries_the_id_of_its_run(fleet: Fleet) -> None:
    fleet.query("update {p}.job set next_run_at = {p}.now() + interval '1 hour'")
    fleet.query("alter function {p}.settle() rename to hidden")
    for _ in range(3):
        run = _run_alone(fleet, "settle")
        assert run["outcome"] == "failed"
    assert _alert(fleet, "job_failing")["event_id"] == run["event_id"] is not None


def test_all_transactions_of_a_job_outside_the_database_have_the_id_of_its_claim(fleet: Fleet) -> None:
    """A source that fails, and what is decided for one that does not."""
    db.call(
        fleet.admin_conn, "add_source", source="gone", conninfo="host=db.example.org dbname=x", table_name="streams"
    )
    run = _run_alone(fleet, "sync_source", outside=True)
    assert run["outcome"] == "claimed"
    for _ in range(3):
        fleet.admin("record_sync_failure", source="gone", error={"message": "no"}, event_id=run["event_id"])
    fleet.register("fv-1")
    batch = uuid.uuid4()
    fleet.query(
        "insert into {a}.stream_staging (batch, line, external_id, name, url) values (%s, 1, '1', 'one', 'http://radio.example/1')",
        batch,
    )
    fleet.admin("sync_streams", source="gone", batch=batch, event_id=run["event_id"])
    fleet.query(
        "insert into {a}.stream_staging (batch, line, external_id, name, url) values (%s, 1, '1', 'one', 'http://radio.example/2')",
        batch,
    )
    fleet.settle()
    fleet.admin("sync_streams", source="gone", batch=batch, event_id=run["event_id"])
    fleet.query("update {p}.source set consecutive_failures = 3 where source = 'gone'")
    assert _alert(fleet, "source_lost")["event_id"] == run["event_id"]
    fleet.admin("finish_job", job_run_id=run["job_run_id"], error={"message": "half of it failed"})

    story = fleet.admin("explain_event", event_id=str(run["event_id"]))
    assert [(row["kind"], row["what"]) for row in story][:2] == [
        ("job run", "sync_source"),
        ("decision", "url_changed"),
    ]
    assert fleet.view("job_runs", event_id=run["event_id"])[0]["outcome"] == "failed"


def test_every_other_alert_carries_the_id_of_what_opened_it(fleet: Fleet) -> None:
    fleet.start(10)
    fleet.workers["fv-1"].beat(memory_usage=97)
    run = _run_alone(fleet, "evaluate_alerts")
    [alert] = fleet.view("alerts", code="memory")
    assert alert["event_id"] == run["event_id"]


def test_the_story_of_an_event_is_told_in_its_order_by_its_id_or_its_beginning(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    fleet.start(10, 10, streams=4)
    fleet.admin("set_alert_target", target="ops")
    lost, _ = _lose(fleet, "fv-1", "fv-2")
    fleet.clock.advance("2 minutes")
    _alert(fleet, "streams_waiting")
    for name in (
        str(lost["event_id"]),
        str(lost["event_id"])[:8],
        str(lost["event_id"])[:11].upper(),
        lost["event_id"].hex,
    ):
        story = fleet.admin("explain_event", event_id=name)
        assert {row["event_id"] for row in story} == {lost["event_id"]}
    kinds = [row["kind"] for row in story]
    assert kinds[:2] == ["job run", "decision"]
    assert kinds.count("delivery") == 2 * kinds.count("alert") == 4, "two targets heard of two alerts"
    decision = next(row for row in story if row["kind"] == "decision")
    assert (decision["id"], decision["subject"]) == (lost["decision_id"], "fv-1, fv-2")
    assert decision["detail"]["instances"] == ["fv-1", "fv-2"]
    events = fleet.view("events", event_id=lost["event_id"])
    assert sorted(row["kind"] for row in events) == ["alert", "alert", "decision", "job run"]

    moved = fleet.one("remove_instance", instance_id="fv-1", reason="sold")
    fleet.register("fv-3")
    fleet.settle()
    *_, settled = [decision for decision in fleet.decisions() if decision["moves"]]
    for event_id, subject in ((moved["event_id"], "fv-1 → no owner"), (settled["event_id"], "no owner → fv-3")):
        [*_, move] = fleet.admin("explain_event", event_id=str(event_id))
        assert (move["kind"], move["subject"], move["text"]) == ("move", subject, "2 streams")
        assert len(move["detail"]["stream_ids"]) == 2


def test_what_names_no_event_is_refused(fleet: Fleet) -> None:
    for name in ("", "1234567", "xyz", "12345678; drop table x", "0" * 33, "1" * 300):
        with refused("OR101"):
            fleet.admin("explain_event", event_id=name)
    with refused("OR107"):
        fleet.admin("explain_event", event_id="00000000")
    fleet.query("update {p}.decision set event_id = null")
    fleet.start(10, streams=2)
    first, *rest = [row["decision_id"] for row in fleet.decisions() if row["event_id"]]
    for digit, decision_id in enumerate((first, rest[0])):
        fleet.query(
            "update {p}.decision set event_id = %s where decision_id = %s",
            f"12345678-0000-8000-a000-00000000000{digit}",
            decision_id,
        )
    with refused("OR101") as several:
        fleet.admin("explain_event", event_id="12345678")
    assert several.value.detail is not None and len(several.value.detail["given"]) == 2
    assert fleet.admin("explain_event", event_id="12345678-0000-8000-a000-000000000001")
