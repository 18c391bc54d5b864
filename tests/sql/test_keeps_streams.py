"""Workers whose host stops no stream: nothing is moved off them while they live."""

import pytest

from tests.fleet import Fleet, Worker, refused


@pytest.fixture
def keeper(fleet: Fleet) -> Worker:
    """It came first and has all six streams."""
    keeper = fleet.register("keeper", 10, metadata={"keeps_streams": True})
    fleet.add_streams(6)
    fleet.settle()
    assert fleet.loads() == {"keeper": 6}
    return keeper


def test_balance_takes_nothing_from_it_and_gives_what_is_new_to_others(fleet: Fleet, keeper: Worker) -> None:
    fleet.start(10, 10)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "keeper": 6}
    assert fleet.admin("plan_rebalance") == []
    fleet.add_streams(4, first=7)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 2, "keeper": 6}
    fleet.check_counts()


def test_it_is_given_its_share_as_any_other(fleet: Fleet) -> None:
    fleet.start(10)
    fleet.register("keeper", 10, metadata={"keeps_streams": True})
    fleet.add_streams(6)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "keeper": 3}


@pytest.mark.parametrize("function", ["move_stream", "pin_stream"])
def test_a_move_is_refused_with_the_reason(fleet: Fleet, keeper: Worker, function: str) -> None:
    fleet.start(10)
    stream_id = fleet.streams_of("keeper")[0]
    with refused("OR405") as caught:
        fleet.admin(function, stream_id=stream_id, instance_id="fv-1")
    assert "stops no stream" in str(caught.value.detail)


@pytest.mark.parametrize("order", ["drain", "capacity"])
def test_orders_of_administrators_wait_for_its_end(fleet: Fleet, keeper: Worker, order: str) -> None:
    fleet.start(10)
    if order == "drain":
        fleet.admin("drain_instance", instance_id="keeper")
    else:
        fleet.admin("set_capacity", instance_id="keeper", max_streams=2)
    for _ in range(3):
        fleet.settle()
        fleet.run("check_balance")
    assert fleet.loads() == {"fv-1": 0, "keeper": 6}
    keeper.call("deregister_instance")
    fleet.settle()
    assert fleet.loads()["fv-1"] == 6
    fleet.check_counts()


def test_its_end_and_its_own_release_give_its_streams_to_others(fleet: Fleet, keeper: Worker) -> None:
    fleet.start(10)
    released = fleet.streams_of("keeper")[:2]
    keeper.call("release_streams", streams=released)
    keeper.running = {stream_id: epoch for stream_id, epoch in keeper.running.items() if stream_id not in released}
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 2, "keeper": 4}
    fleet.admin("remove_instance", instance_id="keeper")
    fleet.settle()
    assert len(fleet.streams_of("fv-1")) == 6


def test_the_next_process_of_the_name_may_be_one_that_stops_streams(fleet: Fleet, keeper: Worker) -> None:
    fleet.start(10)
    keeper.call("deregister_instance")
    fleet.settle()
    fleet.register("keeper", 10, process="2")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "keeper": 3}
