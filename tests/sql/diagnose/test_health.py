"""R6.3: what health() covers of a large fleet, and when."""

from tests.sql.diagnose.doctor import Doctor
from tests.sql.fleet import Fleet, Row


def _integrity(fleet: Fleet) -> Row:
    [row] = [row for row in fleet.admin("health") if row["component"] == "integrity"]
    return row


def test_a_large_fleet_is_recounted_part_by_part_and_wholly_by_diagnose(fleet: Fleet, doctor: Doctor) -> None:
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
        doctor.cures("counts_wrong", f"instance {worker.instance_id}")
    fleet.query("update {p}.instance_load set owned = owned + 1 where instance_id = 'fv-0'")
    for _ in range(2):
        fleet.clock.advance("1 second")
        findings = _integrity(fleet)["detail"]["findings"]
        assert "the counters add up to 2101 streams, and 2100 are held" in findings
    doctor.cures("counts_wrong")
