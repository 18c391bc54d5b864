"""R6.2: balancing that is paused, frozen, or does not come to rest."""

from psycopg.types.json import Jsonb

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis


def test_a_pause_is_worth_knowing_and_after_an_hour_a_warning(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.admin("pause_balancing", reason="new cables")
    finding = diagnosis.sees("balancing_paused", "fleet")
    assert finding["severity"] == "info"
    assert finding["evidence"]["reason"] == "new cables"
    fleet.clock.advance("1 hour")
    assert diagnosis.cures("balancing_paused")["severity"] == "warning"


def test_recovery_mode_is_found_while_it_is_on(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2, R4.3"""
    failure = {"function": "sync", "sqlstate": "08006", "message": "gone", "count": 11, "first_ago": 1, "last_ago": 0}
    fleet.admin("record_failures", reporter="driver:test", failures=Jsonb([failure]))
    fleet.run("watch_recovery")
    finding = diagnosis.cures("recovery_mode", "fleet")
    assert finding["severity"] == "warning"
    assert finding["evidence"]["since"]


def test_balancing_that_does_not_come_to_rest_is_slowed_down(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: an instance's capacity goes up and down, and the load follows it each time."""
    fleet.set("rebalance_cooldown", "10 seconds")
    fleet.set("max_stream_difference", "1")
    fleet.start(20, 20, streams=20)
    for number in range(6):
        diagnosis.sees_no("rebalancing_often")
        # what a worker that misjudges itself does by registering again and again, without a settlement each time
        fleet.query("update {p}.instance set max_streams = %s where instance_id = 'fv-1'", 40 if number % 2 else 20)
        fleet.query("update {p}.instance set max_streams = %s where instance_id = 'fv-2'", 20 if number % 2 else 40)
        fleet.clock.advance("11 seconds")
        fleet.run("check_balance")
        fleet.all_obey()
    assert len(fleet.decisions("imbalance")) == 6
    finding = diagnosis.cures("rebalancing_often", "fleet")
    assert finding["evidence"]["rebalances"] == 6
    assert fleet.value("select {p}.setting_interval('rebalance_cooldown')::text") == "00:01:00"
