"""Whatever happens to a fleet with standbys, each hears on another host than its owner, in a place of its own."""

from random import Random

import pytest

from orchestrator.errors import OrchestratorError
from tests.fleet import Fleet
from tests.twins import Twin, register_twin, rest

HOSTS = {"fv-1": "a", "fv-2": "a", "fv-3": "b", "fv-4": "c", "fv-5": "d"}
EVENTS = ["lose", "silence", "goodbye", "drain", "undrain", "add", "remove", "wish", "move", "mode", "capacity"]
OFTEN = ["register", "register", "time", "time", "time", "obey", "obey"]


def _check(fleet: Fleet, what: str) -> None:
    fleet.check_counts()
    rows = fleet.query(
        """
        select s.stream_id, s.instance_id, s.number, a.instance_id as owner, a.state, a.make_before_break, i.status
        from {p}.standby as s
        join {p}.assignment as a using (stream_id)
        join {p}.instance as i on i.instance_id = s.instance_id
        where s.ended_at is null
        """
    )
    for row in rows:
        assert row["owner"] is None or HOSTS[row["owner"]] != HOSTS[row["instance_id"]], (what, row)
        assert row["status"] not in ("inactive", "removed"), (what, row)
        assert not (row["state"] == "releasing" and row["make_before_break"]), (what, row)
    crowded = fleet.query(
        "select l.instance_id from {p}.instance_load as l join {p}.instance as i using (instance_id) "
        "where l.standbys > 0 and l.owned + l.standbys > i.max_streams"
    )
    assert crowded == [], what
    passing = fleet.query("select number from {p}.standby where {a}.is_current(stream_id, number)")
    assert passing == [], what


def _walk(fleet: Fleet, random: Random, steps: int) -> None:
    twins: dict[str, Twin] = {}
    silent: set[str] = set()
    processes = 0
    fleet.set("standbys", "1")
    fleet.add_streams(12)
    added = 12
    for _ in range(steps):
        known = sorted(twins)
        name = random.choice(sorted(HOSTS))
        what = random.choice([*EVENTS, *OFTEN])
        streams = sorted(fleet.owners())
        try:
            if what == "register":
                processes += 1
                twins[name] = register_twin(
                    fleet, name, HOSTS[name], random.choice([6, 10, 14]), process=str(processes), takeover=True
                )
                silent.discard(name)
            elif what == "lose" and name in known and fleet.instance(name)["status"] == "active":
                twins.pop(name).worker.vanish()
            elif what == "silence" and name in known:
                silent ^= {name}
            elif what == "goodbye" and name in known:
                twins.pop(name).worker.call("deregister_instance")
            elif what in ("drain", "undrain") and name in known:
                fleet.admin(f"{what}_instance", instance_id=name)
            elif what == "add":
                added += 1
                fleet.add_streams(1, first=added)
            elif what == "remove" and len(streams) > 6:
                fleet.admin("remove_stream", stream_id=random.choice(streams))
            elif what == "wish":
                fleet.admin("set_standby", stream_id=random.choice(streams), standby=random.choice([True, False, None]))
            elif what == "move" and name in known:
                fleet.admin("move_stream", stream_id=random.choice(streams), instance_id=name)
            elif what == "capacity" and name in known:
                fleet.admin("set_capacity", instance_id=name, max_streams=random.choice([3, 8, 14]))
            elif what == "mode":
                fleet.set("handoff_mode", random.choice(["break_before_make", "make_before_break"]))
        except OrchestratorError as refusal:
            assert str(refusal.code).startswith("OR4") or refusal.code in ("OR103", "OR301"), (what, refusal)
        _check(fleet, what)
        if what == "time":
            fleet.pass_time(f"{random.choice([2, 6, 12])} seconds")
            _check(fleet, what)
        for twin in [t for n, t in sorted(twins.items()) if n not in silent and random.random() < 0.7]:
            try:
                prepared = {row["stream_id"]: row["epoch"] for row in twin.obey() if row["action"] == "prepare"}
                if prepared:
                    twin.worker.acknowledge(started=prepared)
            except OrchestratorError as refusal:
                assert refusal.code in ("OR103", "OR301", "OR404"), refusal
                del twins[twin.name]
            _check(fleet, "beat")


@pytest.mark.parametrize("seed", range(12))
def test_no_walk_breaks_a_law_of_standbys(fleet: Fleet, seed: int) -> None:
    _walk(fleet, Random(seed), 80)


def test_a_fleet_that_is_left_alone_comes_to_rest_with_every_standby_in_its_place(fleet: Fleet) -> None:
    twins = [register_twin(fleet, name, host, 20) for name, host in HOSTS.items()]
    fleet.add_streams(25)
    fleet.set("standbys", "1")
    for _ in range(4):
        fleet.pass_time("6 seconds")
        rest(fleet, twins)
    _check(fleet, "rest")
    rows = fleet.view("instances")
    assert sum(row["standby_streams"] for row in rows) == 25
    assert all(twin.beat() == [] for twin in twins)
