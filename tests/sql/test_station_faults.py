"""A station that fails on instance after instance is at fault itself: it stays where it is until it works again."""

from tests.fleet import Fleet, Worker


def _fail(fleet: Fleet, stream_id: int, error: str = "connection refused") -> str:
    """Its owner fails failures_before_move times; the jobs answer that. Returns who has it then."""
    owner = fleet.workers[str(fleet.stream(stream_id)["instance_id"])]
    for _ in range(3):
        owner.fail(stream_id, error)
    fleet.all_obey()
    return str(fleet.stream(stream_id)["instance_id"])


def _faults(fleet: Fleet) -> list[int]:
    return [row["stream_id"] for row in fleet.view("failing_stations")]


def _blamed(fleet: Fleet) -> tuple[int, list[str]]:
    """A fleet of four, and a stream that failed on three of them; the instances that it was on."""
    fleet.start(10, 10, 10, 10, streams=8)
    stream_id = 1
    been = [str(fleet.stream(stream_id)["instance_id"])]
    for number in range(3):
        been.append(_fail(fleet, stream_id, f"error {number}"))
    return stream_id, been


def test_a_station_that_fails_on_three_instances_is_blamed_and_stays(fleet: Fleet) -> None:
    stream_id, been = _blamed(fleet)
    assert len(set(been)) == 3
    assert been[2] == been[3], "it stays where it failed last"
    [fault] = fleet.view("failing_stations")
    assert (fault["stream_id"], fault["instance_id"]) == (stream_id, been[3])
    assert [(e["instance_id"], e["error"]) for e in fault["evidence"]] == [
        (name, f"error {number}") for number, name in enumerate(been[:3])
    ]
    assert fleet.query("select * from {p}.refusal") == [], "they say nothing about the instances"
    for _ in range(5):
        assert _fail(fleet, stream_id) == been[3]
    assert fleet.view("failing_stations")[0]["failures"] == 16
    fleet.check_counts()


def test_two_able_instances_are_enough_when_there_are_no_more(fleet: Fleet) -> None:
    fleet.register("fv-1", capabilities=["audio_fingerprinting", "hd"])
    fleet.register("fv-2", capabilities=["audio_fingerprinting", "hd"])
    fleet.register("fv-3")
    [stream_id] = fleet.add_streams(1, required_capabilities=["hd"])
    fleet.settle()
    first = fleet.stream(stream_id)["instance_id"]
    second = _fail(fleet, stream_id)
    assert second != first
    assert _fail(fleet, stream_id) == second
    assert _faults(fleet) == [stream_id]


def test_fewer_failures_than_move_a_stream_are_no_evidence_against_the_station(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=4)
    been = []
    for _ in range(3):
        owner = fleet.workers[str(fleet.stream(1)["instance_id"])]
        been.append(owner.instance_id)
        for _ in range(2):
            owner.fail(1)
        target = next(name for name in fleet.workers if name not in been)
        fleet.admin("move_stream", stream_id=1, instance_id=target)
        fleet.all_obey()
    assert _fail(fleet, 1) not in been[-1:]
    assert _faults(fleet) == []


def test_the_blame_of_one_station_says_nothing_about_another(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=8)
    other, first = 2, str(fleet.stream(2)["instance_id"])
    assert _fail(fleet, other) != first
    for _ in range(3):
        _fail(fleet, 1)
    assert _faults(fleet) == [1]
    [kept] = fleet.query("select stream_id, instance_id from {p}.refusal")
    assert (kept["stream_id"], kept["instance_id"]) == (other, first)


def test_what_was_given_back_is_no_evidence_against_the_station(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, streams=3)
    for _ in range(2):
        owner = fleet.workers[str(fleet.stream(1)["instance_id"])]
        owner.call("release_streams", streams=[1])
        owner.running.pop(1, None)
        fleet.all_obey()
    _fail(fleet, 1)
    assert _faults(fleet) == []


def test_no_instance_to_try_it_with_is_no_evidence_against_the_station(fleet: Fleet) -> None:
    """Every instance is late: the network is away, not the station."""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id, *_] = first.running
    fleet.clock.advance("91 seconds")
    fleet.run("watch_instances")
    for _ in range(3):
        first.fail(stream_id)
    assert _faults(fleet) == []
    assert fleet.stream(stream_id)["instance_id"] == first.instance_id
    assert second.running


def test_a_blamed_station_that_ran_ten_minutes_without_a_failure_is_forgiven(fleet: Fleet) -> None:
    stream_id, been = _blamed(fleet)
    for _ in range(58):
        fleet.pass_time("10 seconds")
        fleet.all_obey()
    assert _faults(fleet) == [stream_id]
    _fail(fleet, stream_id)
    for _ in range(58):
        fleet.pass_time("10 seconds")
        fleet.all_obey()
    assert _faults(fleet) == [stream_id]
    for _ in range(3):
        fleet.pass_time("10 seconds")
    assert _faults(fleet) == []
    # and is moved for failing again, as ever
    assert _fail(fleet, stream_id) != been[3]


def test_a_station_that_is_switched_off_is_no_longer_failing(fleet: Fleet) -> None:
    stream_id, _ = _blamed(fleet)
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    fleet.run("watch_stalls")
    assert _faults(fleet) == []


def test_a_blamed_station_fails_over_with_its_instance_like_any_other(fleet: Fleet) -> None:
    stream_id, been = _blamed(fleet)
    fleet.admin("remove_instance", instance_id=been[3])
    assert fleet.stream(stream_id)["instance_id"] not in (None, been[3])
    assert _faults(fleet) == [stream_id]


def _internet_is_away(fleet: Fleet, workers: list[Worker], seconds: int) -> list[int]:
    """Every handler fails every ten seconds; the moves for failing in each minute."""
    moves: list[int] = []
    seen = 0
    for second in range(10, seconds + 1, 10):
        fleet.pass_time("10 seconds")
        for worker in workers:
            failed = [{"stream_id": s, "epoch": e, "error": "no route"} for s, e in worker.running.items()]
            worker.acknowledge(failed=failed)
        fleet.all_obey()
        if second % 60 == 0:
            now = sum(decision["moves"] for decision in fleet.decisions("failing stream"))
            moves.append(now - seen)
            seen = now
    return moves


def test_when_all_stations_fail_everywhere_few_are_moved_and_all_are_blamed(fleet: Fleet) -> None:
    """The internet is away for all: no storm, and an end."""
    fleet.set("failure_moves_per_minute", "10")
    workers = fleet.start(40, 40, 40, 40, streams=60)
    moves = _internet_is_away(fleet, workers, 780)
    assert max(moves) <= 10
    assert sum(moves) <= 2 * 60, "each was tried on three instances at most"
    assert len(_faults(fleet)) == 60
    assert moves[-1] == 0
    # it is back
    for _ in range(62):
        fleet.pass_time("10 seconds")
        fleet.all_obey()
    assert _faults(fleet) == []
    fleet.check_counts()


def test_old_refusals_are_purged(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=2)
    _fail(fleet, 1)
    assert len(fleet.query("select * from {p}.refusal")) == 1
    fleet.clock.advance("23 hours")
    fleet.run("purge_history")
    assert len(fleet.query("select * from {p}.refusal")) == 1
    fleet.clock.advance("2 hours")
    assert fleet.run("purge_history")["refusals"] == 1
