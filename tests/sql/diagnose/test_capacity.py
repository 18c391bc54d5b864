"""R6.1, R6.2: whether the fleet is large enough."""

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis


def test_an_empty_fleet_has_no_findings(fleet: Fleet) -> None:
    """R6.2: nothing to do, nothing to read."""
    assert fleet.admin("diagnose") == []


def test_a_healthy_fleet_has_no_findings(fleet: Fleet) -> None:
    """R6.2"""
    fleet.start(10, 10, 10, streams=12)
    fleet.run_due_jobs()
    assert fleet.admin("diagnose") == []


def test_streams_without_any_instance_are_found(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: no instance is there; a person has to start one."""
    fleet.add_streams(3)
    finding = diagnosis.sees("no_instance", "fleet")
    assert (finding["severity"], finding["repair"]) == ("critical", None)
    assert finding["evidence"] == {"streams": 3, "capacity": 0, "instances": 0}
    fleet.register("fv-1", 10).beat()
    fleet.settle()
    diagnosis.sees_no("no_instance")


def test_the_only_instance_is_being_drained(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.start(10, streams=3)
    fleet.admin("drain_instance", instance_id="fv-1")
    diagnosis.cures("no_instance")


def test_missing_capacity_is_counted(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: how much is missing; a new instance is the cure."""
    fleet.start(2, 3, streams=7)
    finding = diagnosis.sees("capacity_missing", "fleet")
    assert finding["severity"] == "critical"
    assert finding["evidence"] == {"streams": 7, "capacity": 5, "instances": 2, "missing": 2}
    assert finding["repair"] is None
    fleet.register("fv-3", 2)
    diagnosis.sees_no("capacity_missing")


def test_capacity_is_missing_because_an_instance_is_being_drained(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.start(5, 5, streams=8)
    fleet.admin("drain_instance", instance_id="fv-2")
    assert diagnosis.cures("capacity_missing")["evidence"]["missing"] == 3


def test_the_loss_of_the_largest_instance_is_thought_through(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: what it would do, before it happens."""
    fleet.start(4, 6, streams=5)
    finding = diagnosis.sees("capacity_without_largest", "instance fv-2")
    assert finding["severity"] == "warning"
    assert finding["evidence"]["would_be_missing"] == 1
    assert finding["finding"] == "its loss would leave 1 streams unheard"
    fleet.register("fv-3", 1)
    diagnosis.sees_no("capacity_without_largest")


def test_what_was_foretold_of_a_loss_is_what_happens(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: the prediction is put to the test."""
    fleet.start(4, 6, 3, streams=10)
    foretold = diagnosis.sees("capacity_without_largest")["evidence"]["would_be_missing"]
    fleet.workers["fv-2"].call("deregister_instance")
    assert len(fleet.waiting()) == foretold == 3
