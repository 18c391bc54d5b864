"""Repairs: what a worker and its assignments disagree about without a reason is on record, and nothing else (R3)."""

from random import Random

from tests.fleet import Fleet, Row, Worker
from tests.support import digest_of


def _repairs(fleet: Fleet, **where: object) -> list[Row]:
    return sorted(fleet.view("repairs", **where), key=lambda row: int(row["repair_id"]))


def _later(fleet: Fleet, seconds: int = 40) -> None:
    """Long enough after the last change that nothing is under way."""
    fleet.clock.advance(f"{seconds} seconds")


def test_a_worker_that_lost_a_handler_is_repaired_by_the_commands_of_a_beat(fleet: Fleet) -> None:
    """R3.1: what differed, who found it, how it was repaired, and when the worker was in step again."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    commands = worker.beat(current_streams=2)
    [repair] = _repairs(fleet)
    assert (repair["instance_id"], repair["incarnation"]) == ("fv-1", worker.incarnation)
    assert (repair["found_by"], repair["attempt"], repair["repaired_by"]) == ("heartbeat", 1, "commands")
    assert repair["difference"] == {
        "digest": digest_of(worker.running.items()),
        "expected_digest": fleet.value("select digest from {p}.instance_load"),
        "reported_streams": 2,
        "owned": 3,
    }
    assert repair["repaired_at"] is None
    worker.follow(commands)
    assert worker.beat() == []
    [repair] = _repairs(fleet)
    assert repair["repaired_at"] == fleet.clock.now
    assert worker.row["repair_attempts"] == 0


def test_each_beat_out_of_step_is_an_attempt(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    for attempt in (1, 2, 3):
        worker.beat()
        assert worker.row["repair_attempts"] == attempt
    assert [row["attempt"] for row in _repairs(fleet)] == [1, 2, 3]


def test_a_worker_that_never_gets_in_step_does_not_fill_the_table(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    for _ in range(25):
        worker.beat()
    assert [row["attempt"] for row in _repairs(fleet)] == [*range(1, 10), 25]


def test_an_assignment_just_given_is_no_fault(fleet: Fleet) -> None:
    """New streams that it has heard nothing of, some that it has started and not confirmed, and what it is to stop."""
    worker, _ = fleet.start(10, 10, streams=6)
    _later(fleet)
    for number in (7, 8, 9, 10):
        fleet.add_streams(1, first=number)
    fleet.admin("move_stream", stream_id=next(iter(worker.running)), instance_id="fv-2")
    commands = worker.beat()
    assert commands
    for command in commands:  # one after the other, and beats between
        _later(fleet, 31)
        if command["action"] == "add":
            worker.running[command["stream_id"]] = command["epoch"]
        else:
            del worker.running[command["stream_id"]]
        worker.beat()
    assert _repairs(fleet) == []


def test_attempts_are_counted_across_what_is_under_way(fleet: Fleet) -> None:
    """An assignment given between two beats out of step neither counts nor lets it be forgotten."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    worker.beat()
    _later(fleet)
    fleet.add_streams(1, first=4)
    fleet.clock.advance("1 second")
    worker.beat()
    assert worker.row["repair_attempts"] == 1
    _later(fleet)
    worker.beat()
    assert worker.row["repair_attempts"] == 2


def test_of_each_kind_of_difference_the_first_hundred_are_named_and_all_counted(fleet: Fleet) -> None:
    fleet.query("select setval(pg_get_serial_sequence('{p}.stream', 'stream_id'), 1000)")
    [worker] = fleet.start(10, streams=2)
    _later(fleet)
    worker.running = dict.fromkeys(range(1, 151), 1)
    worker.report_streams()
    [repair] = _repairs(fleet)
    assert repair["difference"]["counts"] == {"missing": 2, "unknown": 150}
    assert repair["difference"]["unknown"] == [*range(1, 101)]
    assert repair["difference"]["missing"] == [1001, 1002]


def test_one_worker_in_step_again_closes_its_own_repairs_only(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    _later(fleet)
    for worker in (first, second):
        worker.running.popitem()
        worker.beat()
    first.obey()
    assert first.beat() == []
    assert {row["repaired_at"] for row in _repairs(fleet, instance_id="fv-1")} == {fleet.clock.now}
    assert {row["repaired_at"] for row in _repairs(fleet, instance_id="fv-2")} == {None}


def test_a_difference_that_is_explained_again_ends_the_count(fleet: Fleet) -> None:
    """It runs what it confirmed; that it has been given more is another matter."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    lost = worker.running.popitem()
    worker.beat()
    worker.running |= dict([lost])
    fleet.add_streams(1, first=4)
    assert len(worker.beat()) == 1
    assert worker.row["repair_attempts"] == 0
    assert [row["repaired_at"] for row in _repairs(fleet)] == [fleet.clock.now]


def test_a_worker_that_confirms_nothing_is_excused_only_for_so_long(fleet: Fleet) -> None:
    """What it has not confirmed explains a difference while it moves, or was told lately; then it is a fault."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    fleet.add_streams(1, first=4)
    fleet.clock.advance("1 second")
    worker.beat()
    worker.running.popitem()
    worker.beat()
    assert _repairs(fleet) == []
    _later(fleet, 31)
    worker.beat()
    assert [row["attempt"] for row in _repairs(fleet)] == [1]


def test_after_three_attempts_a_worker_registers_anew_and_all_of_it_is_on_record(fleet: Fleet) -> None:
    """R3.1, R3.2: commands, then the full set, then a new registration that keeps its handlers and epochs."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    held = dict(worker.running)
    worker.running.popitem()
    worker.beat()
    for _ in range(2):
        worker.beat()
        worker.report_streams()
    again = fleet.register("fv-1")
    assert [(row["found_by"], row["attempt"], row["repaired_by"]) for row in _repairs(fleet)] == [
        ("heartbeat", 1, "commands"),
        ("heartbeat", 2, "commands"),
        ("report_streams", 2, "full set"),
        ("heartbeat", 3, "commands"),
        ("report_streams", 3, "full set"),
        ("register_instance", 3, "new registration"),
    ]
    assert {row["incarnation"] for row in _repairs(fleet)} == {worker.incarnation}
    again.running = {row["stream_id"]: row["epoch"] for row in again.assignments()}
    assert again.running == held
    assert again.beat() == []
    assert {row["repaired_at"] for row in _repairs(fleet)} == {fleet.clock.now}


def test_a_registration_in_step_is_no_repair(fleet: Fleet) -> None:
    fleet.start(10, streams=3)
    fleet.register("fv-1")
    assert _repairs(fleet) == []


def test_what_differed_goes_with_the_process(fleet: Fleet) -> None:
    """A restarted worker begins with nothing to repair."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    worker.beat()
    new = fleet.register("fv-1", process="2", takeover=True)
    assert [(row["found_by"], row["repaired_at"]) for row in _repairs(fleet)] == [("heartbeat", fleet.clock.now)]
    _later(fleet)
    commands = new.beat()
    assert {row["action"] for row in commands} == {"add"}
    for command in commands:  # one after the other, confirmed in the end
        new.running[command["stream_id"]] = command["epoch"]
        _later(fleet)
        new.beat()
    assert len(_repairs(fleet)) == 1


def test_a_stream_that_was_let_go_for_nothing_is_asked_for_without_a_repair(fleet: Fleet) -> None:
    """The hand-over was called off when its owner had stopped already, before and after that one could say so."""
    worker, _ = fleet.start(10, 10, streams=4)
    _later(fleet)
    first, second = worker.running
    for stream_id in (first, second):
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
        fleet.clock.advance("1 second")
        worker.beat()
        epoch = worker.running.pop(stream_id)
        fleet.clock.advance("1 second")
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
        if stream_id == second:
            fleet.clock.advance("1 second")
            assert stream_id in [row["stream_id"] for row in worker.beat()]
        worker.acknowledge(stopped=[stream_id])
        _later(fleet)
        assert [(row["stream_id"], row["epoch"]) for row in worker.beat()] == [(stream_id, epoch)]
        worker.running[stream_id] = epoch
        worker.acknowledge(started={stream_id: epoch})
    assert worker.beat() == []
    assert _repairs(fleet) == []


def test_a_storm_of_hand_overs_in_a_healthy_fleet_leaves_no_repair(fleet: Fleet) -> None:
    """Moves, drains, switched streams and changed capacities, among workers that lag behind and confirm late."""
    dice = Random(3)
    workers = fleet.start(30, 30, 30, 30, streams=60)
    unsaid: dict[str, tuple[dict[int, int], list[int]]] = {worker.instance_id: ({}, []) for worker in workers}

    def live(worker: Worker) -> None:
        """Beat, do a part of what the answer says, and confirm some of what was done, at once or much later."""
        started, stopped = unsaid[worker.instance_id]
        for command in worker.beat():
            if dice.random() < 0.7:
                stream_id = command["stream_id"]
                if command["action"] == "remove":
                    worker.running.pop(stream_id, None)
                    started.pop(stream_id, None)
                    stopped.append(stream_id)
                else:
                    worker.running[stream_id] = started[stream_id] = command["epoch"]
        if dice.random() < 0.6:
            worker.acknowledge(started=started, stopped=stopped)
            unsaid[worker.instance_id] = ({}, [])

    def disturb() -> None:
        streams, names = list(fleet.owners()), [worker.instance_id for worker in workers]
        name = dice.choice(names)
        match dice.randrange(6):
            case 0:
                fleet.query(
                    "select {a}.move_stream(a.stream_id, p.instance_id) from {p}.assignment as a, "
                    "{p}.placeable_instances() as p where a.state <> 'idle' and p.planned + 1 < p.ceiling "
                    "and p.instance_id = %s order by a.stream_id %% 7, a.stream_id limit 2",
                    name,
                )
            case 1:
                fleet.admin("drain_instance", instance_id=name)
            case 2:
                for each in names:
                    fleet.admin("undrain_instance", instance_id=each)
            case 3:
                fleet.admin("set_stream_active", stream_id=dice.choice(streams), active=dice.random() < 0.6)
            case 4:
                fleet.admin("set_capacity", instance_id=name, max_streams=dice.randint(15, 30))
            case _:
                fleet.admin("rebalance")

    for _ in range(150):
        if dice.random() < 0.5:
            disturb()
        fleet.clock.advance(f"{dice.choice([1, 2, 5])} seconds")
        fleet.run_due_jobs()
        for worker in workers:
            live(worker)
    assert _repairs(fleet) == []
    assert len(fleet.view("movements")) > 100


def test_old_repairs_are_purged(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    worker.obey()
    fleet.clock.advance("29 days")
    fleet.run("purge_history")
    assert len(_repairs(fleet)) == 1
    fleet.clock.advance("1 day 1 second")
    assert fleet.run("purge_history")["repairs"] == 1
    assert _repairs(fleet) == []


def test_with_every_notification_lost_a_fleet_converges_within_one_beat(fleet: Fleet) -> None:
    """R3: what is new or gone is right after one beat; a hand-over takes one of its old and one of its new owner."""
    workers = fleet.start(10, 10, 10, streams=12)
    fleet.add_streams(6, first=13)
    for stream_id in sorted(workers[0].running)[:2]:
        fleet.admin("remove_stream", stream_id=stream_id)
    for worker in workers:
        worker.obey()
    assert [worker.beat() for worker in workers] == [[], [], []]

    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    for worker in workers:  # a worker that comes after the old owner has it in the same round
        worker.obey()
    assert workers[0].running == {}
    assert [worker.beat() for worker in workers] == [[], [], []]
    assert _repairs(fleet) == []
    fleet.check_counts()
