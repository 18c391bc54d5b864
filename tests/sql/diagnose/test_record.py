"""R6.2, R6.3: the record contradicts itself; only writing to private tables gets it there."""

import pytest

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis


@pytest.mark.parametrize("column", ["owned", "incoming", "outgoing", "digest"])
def test_wrong_counters_are_made_equal_to_a_recount(fleet: Fleet, diagnosis: Diagnosis, column: str) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=4)
    fleet.query(f"update {{p}}.instance_load set {column} = {column} + 3 where instance_id = 'fv-2'")
    finding = diagnosis.cures("counts_wrong", "instance fv-2")
    assert finding["severity"] == "critical"
    assert finding["evidence"]["counted"][column] == finding["evidence"]["recounted"][column] + 3


def test_wrong_counters_of_requirements_are_made_equal_to_a_recount(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=4)
    fleet.query("update {p}.requirement_load set movable = 7 where instance_id = 'fv-1'")
    diagnosis.cures("counts_wrong", "instance fv-1")
    fleet.query("delete from {p}.requirement_load where instance_id = 'fv-1'")
    diagnosis.cures("counts_wrong", "instance fv-1")
    fleet.query("insert into {p}.requirement_load select 'fv-1', {p}.requirement_of(array['aac']), 1")
    diagnosis.cures("counts_wrong", "instance fv-1")


def test_a_stream_without_an_assignment_gets_one_and_an_instance(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: under an epoch that no owner had before."""
    fleet.start(10, 10, streams=4)
    [before] = fleet.query("delete from {p}.assignment where stream_id = 1 returning epoch")
    diagnosis.cures("row_missing", "stream 1")
    fleet.settle()
    assert fleet.stream(1)["state"] == "running"
    assert fleet.stream(1)["epoch"] > before["epoch"]


@pytest.mark.parametrize("table", ["instance_load", "heartbeat"])
def test_an_instance_gets_its_missing_row_back(fleet: Fleet, diagnosis: Diagnosis, table: str) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=4)
    fleet.query(f"delete from {{p}}.{table} where instance_id = 'fv-1'")
    diagnosis.cures("row_missing", "instance fv-1")
    assert fleet.instance("fv-1")["assigned_streams"] == 2


def test_an_active_stream_without_a_row_is_placed(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=4)
    fleet.query("update {p}.assignment set state = 'idle', instance_id = null, epoch = epoch + 1 where stream_id = 1")
    for worker in fleet.workers.values():
        worker.running.pop(1, None)
    assert "active" in diagnosis.cures("row_impossible", "stream 1")["finding"]
    fleet.settle()
    assert fleet.stream(1)["state"] == "running"


def test_an_inactive_stream_that_is_heard_is_withdrawn(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=4)
    fleet.query("update {p}.stream set active = false where stream_id = 1")
    diagnosis.cures("row_impossible", "stream 1")
    fleet.all_obey()
    assert fleet.stream(1)["state"] == "idle"
    assert all(1 not in worker.running for worker in fleet.workers.values())


def test_a_stream_of_an_instance_that_is_gone_fails_over(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    _, second = fleet.start(10, 10, streams=4)
    second.call("deregister_instance")
    fleet.query(
        "update {p}.assignment set instance_id = 'fv-2', state = 'assigned', epoch = epoch + 1 where stream_id = 1"
    )
    assert diagnosis.cures("row_impossible", "stream 1")["evidence"]["instance_id"] == "fv-2"
    assert fleet.stream(1)["instance_id"] == "fv-1"
    fleet.all_obey()


def test_a_stream_on_its_way_to_an_instance_that_is_gone_stays(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    second.call("deregister_instance")
    fleet.query(
        "update {p}.assignment set state = 'releasing', next_instance_id = 'fv-2', releasing_since = {p}.now() "
        "where stream_id = %s",
        stream_id,
    )
    diagnosis.cures("row_impossible", f"stream {stream_id}")
    fleet.all_obey()
    assert fleet.stream(stream_id)["instance_id"] == "fv-1"


def test_a_stream_counted_under_a_wrong_requirement_is_counted_under_its_own(
    fleet: Fleet, diagnosis: Diagnosis
) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=2)
    fleet.query("update {p}.assignment set requirement_id = {p}.requirement_of(array['aac']) where stream_id = 1")
    diagnosis.cures("row_impossible", "stream 1")


def test_a_repair_of_a_right_record_does_nothing(fleet: Fleet) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=2)
    decisions = len(fleet.decisions())
    assert fleet.admin("repair_record") == []
    assert len(fleet.decisions()) == decisions


def test_one_address_listened_to_twice_is_found(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: its music would be counted twice."""
    fleet.start(10, 10, streams=1)
    fleet.admin("add_stream", url="http://radio.example/1", external_id="the same again")
    finding = diagnosis.cures("station_duplicate", "http://radio.example/1")
    assert finding["evidence"]["stream_ids"] == [1, 2]
    assert [fleet.stream(n)["active"] for n in (1, 2)] == [True, False]


def test_of_three_stations_with_one_address_the_oldest_is_left(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    for number in range(3):
        fleet.admin("add_stream", url="http://radio.example/1", external_id=f"number {number}")
    assert diagnosis.cures("station_duplicate", "http://radio.example/1")["evidence"]["stream_ids"] == [1, 2, 3]
    assert [fleet.stream(n)["active"] for n in (1, 2, 3)] == [True, False, False]
