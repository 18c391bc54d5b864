"""R6.2: streams that shall have a standby and have none."""

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis

ABLE = {"standbys": True, "make_before_break": True}
CODES = {"host_unknown", "standby_window_short", "standby_nowhere", "standby_without_room"}


def _codes(fleet: Fleet) -> dict[str, str]:
    return {row["code"]: row["subject"] for row in fleet.admin("diagnose") if row["code"] in CODES}


def test_without_standbys_nothing_is_said_of_them(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=2)
    fleet.set("stall_timeout", "10 minutes")
    assert _codes(fleet) == {}


def test_an_instance_that_does_not_say_where_it_is_and_one_that_is_alone_are_found(fleet: Fleet) -> None:
    fleet.register("fv-1", 10, metadata=ABLE | {"host": "a"})
    fleet.add_streams(2)
    fleet.settle()
    fleet.set("standbys", "1")
    fleet.run("place_standbys")
    assert _codes(fleet) == {"standby_nowhere": "instance fv-1"}
    fleet.register("fv-2", 10, metadata=ABLE)
    assert _codes(fleet) == {"standby_nowhere": "instance fv-1", "host_unknown": "instance fv-2"}
    fleet.register("fv-2", 1, process="2", takeover=True, metadata=ABLE | {"host": "b"})
    fleet.run("place_standbys")
    assert _codes(fleet) == {"standby_without_room": "instance fv-1"}
    fleet.register("fv-3", 10, metadata=ABLE | {"host": "c"})
    fleet.run("place_standbys")
    assert _codes(fleet) == {}


def test_a_window_that_became_too_short_is_mended(fleet: Fleet, diagnosis: Diagnosis) -> None:
    fleet.set("standbys", "1")
    fleet.register("fv-1", 10, lease="150 seconds", stop_within="100 seconds")
    diagnosis.cures("standby_window_short", "setting standby_window")
