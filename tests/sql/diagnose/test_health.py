"""R6.3: what health() covers of a large fleet, and when."""

from tests.fleet import Fleet, Row
from tests.sql.diagnose.diagnosis import Diagnosis


def _component(fleet: Fleet, component: str) -> Row:
    [row] = [row for row in fleet.admin("health") if row["component"] == component]
    return row


def _integrity(fleet: Fleet) -> Row:
    return _component(fleet, "integrity")


def test_a_large_fleet_is_recounted_part_by_part_and_wholly_by_diagnose(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.3: every instance gets its turn; sums are right at every look."""
    workers = [fleet.register(f"fv-{number}", 700) for number in range(6)]
    fleet.query(
        "insert into {p}.stream (external_id, name, url, requirement_id, created_at, updated_at) "
        "select n::text, 'radio', 'http://radio.example/' || n, {p}.requirement_of('{{}}'), {p}.now(), {p}.now() "
        "from generate_series(1, 2100) as n"
    )
    fleet.query(
        "insert into {p}.assignment (stream_id, requirement_id, waiting_since) "
        "select stream_id, requirement_id, {p}.now() from {p}.stream"
    )
    fleet.settle()
    assert _integrity(fleet)["finding"] == "counts and digests equal a recount of one part in 2"
    for worker in workers:
        fleet.query("update {p}.instance_load set digest = digest + 1 where instance_id = %s", worker.instance_id)
        seen = []
        for _ in range(2):
            fleet.clock.advance("1 second")
            seen.append(_integrity(fleet)["status"])
        assert sorted(seen) == ["healthy", "unhealthy"]
        diagnosis.cures("counts_wrong", f"instance {worker.instance_id}")
    fleet.query("update {p}.instance_load set owned = owned + 1 where instance_id = 'fv-0'")
    for _ in range(2):
        fleet.clock.advance("1 second")
        findings = _integrity(fleet)["detail"]["findings"]
        assert "the counters add up to 2101 streams, and 2100 are held" in findings
    diagnosis.cures("counts_wrong")


def test_who_is_only_late_still_listens_and_what_the_last_one_keeps_waits(fleet: Fleet) -> None:
    """R6.3: degraded for restart_grace, then unhealthy."""
    fleet.start(10, streams=1)
    fleet.clock.advance("91 seconds")
    fleet.run("watch_instances")
    row = _component(fleet, "instances")
    assert (row["status"], row["finding"]) == ("degraded", "1 late, 0 lost, of 1")
    assert row["detail"] == {"total": 1, "well": 0, "late": 1, "lost": 0}
    fleet.clock.advance("6 minutes")
    fleet.run("watch_instances")
    assert _component(fleet, "instances")["status"] == "unhealthy"
    detail = {"held": 0, "waiting": 1, "oldest_waiting_since": fleet.clock.now.isoformat(), "room": 0}
    for pause, status in (("59 seconds", "degraded"), ("1 second", "unhealthy")):
        fleet.clock.advance(pause)
        row = _component(fleet, "streams")
        assert (row["status"], row["finding"]) == (status, "1 streams wait: no instance is there to take them")
        assert row["detail"] == detail


def test_only_three_jobs_make_the_whole_unhealthy(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.3: late, or failed three times in a row; who has it in hand is not late."""

    def jobs() -> tuple[str, str]:
        row = _component(fleet, "jobs")
        return row["status"], row["finding"]

    def job(name: str, changes: str) -> None:
        fleet.query("update {p}.job set " + changes + " where job = %s", name)

    fleet.query("update {p}.job set next_run_at = {p}.now() + '1 day'")
    job("settle", "next_run_at = {p}.now(), claimed_by = 'me', claimed_until = {p}.now() + '20 seconds'")
    job("purge_history", "next_run_at = {p}.now() + '19 seconds'")
    fleet.clock.advance("49 seconds")
    assert jobs() == ("healthy", "jobs run on time")
    fleet.clock.advance("1 second")
    assert jobs() == ("degraded", "overdue or failing: purge_history")
    fleet.clock.advance("1 second")
    assert jobs() == ("unhealthy", "overdue or failing: purge_history, settle")
    fleet.query("update {p}.job set next_run_at = {p}.now() + '1 day'")
    job("purge_history", "consecutive_failures = 9")
    job("settle", "consecutive_failures = 2")
    assert jobs() == ("degraded", "overdue or failing: purge_history, settle")
    fleet.admin("schedule_job", job="purge_history", enabled=False)
    assert jobs() == ("degraded", "overdue or failing: settle")
    job("settle", "consecutive_failures = 3")
    assert jobs()[0] == "unhealthy"


def test_a_source_that_is_switched_off_does_not_fail(fleet: Fleet) -> None:
    """R6.3"""
    fleet.admin("add_source", source="field", conninfo="host=nowhere dbname=radio", table_name="t", enabled=False)
    fleet.query("update {p}.source set consecutive_failures = 1")
    row = _component(fleet, "sources")
    assert (row["status"], row["finding"], row["detail"]) == ("healthy", "no source to synchronise", [])
