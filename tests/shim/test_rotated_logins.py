"""A worker whose login is rotated: its next process comes with another one, and nothing is heard twice."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.logins import Logins, logins_of
from tests.shim.support import Fleet, Recorder, until
from tests.support import Database
from worker_shim import Refused, Worker


@pytest.fixture
def logins(database: Database) -> Iterator[Logins]:
    with logins_of(database) as made:
        yield made


async def _hears(fleet: Fleet, heard: Recorder, count: int) -> None:
    await fleet.until(
        lambda: len(heard.running) == count and len(fleet.confirmed("fv-1")) == count, f"it hears all {count}"
    )


async def test_a_worker_that_left_is_started_with_another_login(fleet: Fleet, logins: Logins) -> None:
    """It said goodbye, so that its name is free."""
    old, new = logins.worker("old"), logins.worker("new")
    first = Recorder()
    second = Recorder(beside=first)
    fleet.add_streams(4)
    async with fleet.work("fv-1", first, dsn=logins.dsn(old), on_exit="drain", drain_timeout=1):
        await _hears(fleet, first, 4)
    assert not first.running
    logins.drop(old)
    async with fleet.work("fv-1", second, dsn=logins.dsn(new)):
        await _hears(fleet, second, 4)
    assert not second.doubled
    assert fleet.query("select login from {api}.instances") == [{"login": new}]


async def test_logins_of_a_group_rotate_without_a_move(fleet: Fleet, logins: Logins) -> None:
    """Its name belongs to the group, so its streams are kept for a member while it restarts."""
    group = logins.group("fingers")
    old, new = logins.worker("old", group), logins.worker("new", group)
    first = Recorder()
    second, other = Recorder(beside=first), Recorder()
    async with fleet.work("fv-2", other, dsn=logins.dsn(old)):
        async with fleet.work("fv-1", first, dsn=logins.dsn(old), on_exit="suspend"):
            fleet.add_streams(6)
            await _hears(fleet, first, 3)
            fleet.query("select * from {api}.set_instance_owner('fv-1', %(group)s)", group=group)
        before = fleet.confirmed("fv-1")
        async with fleet.work("fv-1", second, dsn=logins.dsn(new)):
            await _hears(fleet, second, 3)
            assert {stream_id for stream_id, _ in fleet.confirmed("fv-1")} == {stream_id for stream_id, _ in before}
    assert not second.doubled
    assert {start[0] for start in other.starts}.isdisjoint(second.running)


@pytest.mark.parametrize("on_isolation", ["continue", "stop"])
async def test_a_name_that_is_handed_over_ends_its_process_at_once(
    fleet: Fleet, logins: Logins, on_isolation: str
) -> None:
    """Its beat is far away; the hint tells it. Its successor gets the same streams, under later epochs."""
    old, new = logins.worker("old"), logins.worker("new")
    first = Recorder()
    second = Recorder(beside=first)
    fleet.add_streams(4)
    options = {"on_isolation": on_isolation} | ({"lease": 60} if on_isolation == "stop" else {})
    worker: Worker = fleet.worker("fv-1", first, dsn=logins.dsn(old), **options)
    task = asyncio.create_task(worker.run_async())
    await _hears(fleet, first, 4)
    epochs = dict(first.starts)
    fleet.query("select * from {api}.set_instance_owner('fv-1', %(role)s)", role=new)
    with pytest.raises(Refused) as ended:
        await asyncio.wait_for(task, 20)
    assert ended.value.code == "OR106"
    assert not first.running
    if on_isolation == "stop":
        # it cannot say any more that it has stopped: what it has promised is over when its lease is
        with pytest.raises(Refused, match="OR104"):
            await fleet.worker("fv-1", second, dsn=logins.dsn(new)).run_async()
        fleet.query("update {private}.heartbeat set beat_at = beat_at - interval '60 seconds'")
    async with fleet.work("fv-1", second, dsn=logins.dsn(new)):
        await _hears(fleet, second, 4)
        assert all(epoch > epochs[stream_id] for stream_id, epoch in fleet.confirmed("fv-1"))
    assert not second.doubled
    await until(lambda: not second.running, "it has ended")
