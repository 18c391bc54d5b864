"""Clients that ask for their streams get them in the answer to their own ask, and keep them while they live."""

import pytest

from tests.fleet import Fleet, refused
from tests.sql.pull import PullClient, add_numbered, numbers


@pytest.fixture
def stations(fleet: Fleet) -> Fleet:
    """Ten stations, 0 to 9, whose numbers are not our ids."""
    fleet.query("select setval(pg_get_serial_sequence('{p}.stream', 'stream_id'), 1000)")
    add_numbered(fleet, *range(10))
    return fleet


def _client(fleet: Fleet, name: str = "a", number: int = 1, **more: object) -> PullClient:
    return PullClient(fleet, name, peer=f"192.0.2.{number}", **more)  # type: ignore[arg-type]


def _codes(fleet: Fleet) -> set[tuple[str, str]]:
    fleet.run("evaluate_alerts")
    return {(row["code"], row["subject"]) for row in fleet.view("alerts") if row["resolved_at"] is None}


class TestAsking:
    @pytest.mark.parametrize("dialect", ["server", "worker"])
    def test_the_first_answer_names_all_and_by_the_numbers_of_the_source(self, stations: Fleet, dialect: str) -> None:
        client = _client(stations, dialect=dialect)
        assert client.start() == [*range(10)]
        assert client.booked == {*range(10)}
        client.live(30)
        assert client.own == [*range(10)], "nothing is said twice within a life"

    def test_a_new_generation_of_epochs_changes_nothing_for_it(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(30)
        stations.query("update {p}.controller set fingerprint = 'another'")
        stations.run("watch_instances")
        client.live(30)
        assert client.booked == {*range(10)}
        assert client.own == [*range(10)]
        assert {row["state"] for row in stations.view("streams")} == {"running"}
        assert min(row["epoch"] for row in stations.view("streams")) >= 2**40

    def test_none_is_given_streams_without_asking(self, stations: Fleet) -> None:
        client = _client(stations)
        client.register()
        stations.pass_time("10 seconds")
        assert client.booked == set()
        assert len(client.ask()) == 10

    @pytest.mark.parametrize("asked", ["0", "-12", "3", "10", "text", "", "1e3"])
    def test_the_number_asked_for_does_not_count(self, stations: Fleet, asked: str) -> None:
        client = _client(stations)
        client.register()
        assert len(client.ask(capacity=asked)) == 10

    def test_two_that_begin_together_have_their_shares_at_once(self, stations: Fleet) -> None:
        a, b = _client(stations, "a", 1), _client(stations, "b", 2)
        for client in (a, b, a, b):
            client.register()
        b.begin_to_ask()
        assert len(a.ask()) == len(b.ask()) == 5
        assert a.booked | b.booked == {*range(10)}

    def test_one_that_registered_and_never_asks_is_waited_for_and_then_left(self, stations: Fleet) -> None:
        _client(stations, "silent", 9).register()
        a = _client(stations)
        a.register()
        before = stations.clock.now
        assert len(a.ask()) == 10
        assert 9 <= (stations.clock.now - before).total_seconds() <= 12

    def test_one_that_joins_gets_what_is_free_and_nothing_moves(self, stations: Fleet) -> None:
        a = _client(stations, capacity=7)
        a.start()
        a.live(15)
        b = _client(stations, "b", 2, capacity=7)
        assert len(b.start()) == 3
        for _ in range(4):
            a.live(15)
            b.live(15)
            stations.run_due_jobs()
        assert (len(a.booked), len(b.booked)) == (7, 3)
        assert set(a.own) == a.booked and set(b.own) == b.booked

    def test_a_fleet_that_begins_anew_leaves_shares_for_those_that_are_not_back_yet(self, stations: Fleet) -> None:
        a, b = _client(stations, "a", 1), _client(stations, "b", 2)
        a.register()
        b.register()
        b.begin_to_ask()
        a.ask()
        b.ask()
        a.live(6)
        b.live(6)
        a.release(*a.own)
        b.release(*b.own)
        stations.clock.advance("2 minutes")
        stations.run_due_jobs()
        a.register()
        stations.clock.advance("3 seconds")
        a.begin_to_ask()  # b is awaited
        b.register()
        assert len(b.ask()) == len(a.ask()) == 5

    def test_an_answer_that_did_not_arrive_is_given_again(self, stations: Fleet) -> None:
        client = _client(stations)
        client.register()
        lost = client.ask_unheard()
        assert client.ask() == lost
        assert client.ask() == []

    def test_what_it_received_runs_by_its_next_ask_or_beat(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        assert {row["state"] for row in stations.view("streams")} == {"assigned"}
        client.beat()
        assert {row["state"] for row in stations.view("streams")} == {"running"}

    def test_its_whole_list_is_in_its_first_answer_after_a_restart(self, stations: Fleet) -> None:
        client = _client(stations, capacity=60)
        client.start()
        epochs = stations.view("streams")
        for restart in range(1, 4):
            client.live(30)
            assert client.start() == [*range(10)]
            assert len(client.own) == 10 * (restart + 1)
        assert client.booked == {*range(10)}
        assert [row["epoch"] for row in stations.view("streams")] == [row["epoch"] for row in epochs]
        assert stations.instance("a")["incarnation"] == 1

    def test_a_long_decision_is_waited_for(self, stations: Fleet) -> None:
        client = _client(stations)
        client.register()
        stations.clock.advance("5 seconds")
        with stations.database.connect() as other:
            request = {"worker_id": "a", "capacity": "10"}
            with other.transaction():
                other.execute(f'select "{stations.database.names.private}".lock_decisions()')
                stations.worker_conn.execute("set lock_timeout = '50ms'")
                status, _ = client.call("http_assign_streams", request=request, dialect="worker")
                assert status == 102
        assert len(client.ask()) == 10


class TestMoreThanTheFirstAnswer:
    def _two(self, fleet: Fleet, dialect: str = "worker") -> tuple[PullClient, PullClient]:
        a, b = _client(fleet, "a", 1, dialect=dialect), _client(fleet, "b", 2, dialect=dialect)
        a.register()
        b.register()
        b.begin_to_ask()
        a.ask()
        b.ask()
        for _ in range(5):
            a.live(3)
            b.live(3)
        return a, b

    def test_one_is_tried_with_one_stream_and_gets_the_rest_when_it_asks_again(self, stations: Fleet) -> None:
        a, b = self._two(stations)
        a.release(*a.own)
        assert len(b.ask()) == 1
        stations.clock.advance("3 seconds")
        assert len(b.ask()) == 4
        assert b.booked == {*range(10)}

    def test_one_that_asks_no_more_gets_the_rest_when_it_begins_anew(self, stations: Fleet) -> None:
        a, b = self._two(stations)
        a.release(*a.own)
        assert len(b.ask()) == 1
        for _ in range(4):
            stations.clock.advance("40 seconds")
            b.beat()
            stations.run_due_jobs()
        assert len(b.booked) == 6 and len(numbers(stations, None)) == 4
        assert ("streams_waiting", "") in _codes(stations)
        assert {*b.start()} == {*range(10)}

    def test_one_that_was_slow_to_ask_again_gets_the_rest_after_all(self, stations: Fleet) -> None:
        a, b = self._two(stations)
        a.release(*a.own)
        assert len(b.ask()) == 1
        stations.clock.advance("20 seconds")
        b.beat()  # taken for one that asks no more
        stations.clock.advance("3 seconds")
        given = [*b.ask(), *b.ask()]
        assert len(given) == 4
        assert b.booked == {*range(10)}

    def test_the_dialect_that_cannot_be_told_apart_gets_no_more_in_its_life(self, stations: Fleet) -> None:
        a, b = self._two(stations, "server")
        a.release(*map(str, a.own))
        for _ in range(10):
            b.live(3)
        assert len(b.booked) == 5
        b.own.clear()
        assert {*b.start()} == {*range(10)}


class TestNothingIsTaken:
    def test_not_by_any_order_of_an_administrator(self, stations: Fleet) -> None:
        client = _client(stations, capacity=10)
        client.start()
        worker = stations.register("fv-1", 100)
        stations.settle()
        client.live(6)
        [stream_id, *_] = stations.streams_of("a")
        with refused("OR405") as refusal:
            stations.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
        assert "recreate its container" in str(refusal.value.detail)
        stations.admin("drain_instance", instance_id="a")
        stations.admin("set_capacity", instance_id="a", max_streams=3)
        stations.admin("rebalance")
        for _ in range(3):
            client.live(15)
            stations.run_due_jobs()
            stations.all_obey()
        assert client.booked == {*range(10)} and not worker.running
        assert {row["code"] for row in stations.admin("diagnose")} >= {"cannot_be_moved"}
        explained = stations.admin("explain_stream", stream_id=stream_id)
        assert "recreate its container" in str(explained)

    def test_not_by_words_from_elsewhere(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        other = _client(stations, "a", 66)
        assert other.ask() == []
        other.beat(3)
        other.release(*range(10))
        assert client.booked == {*range(10)}
        client.live(6)
        assert client.own == [*range(10)]
        assert ("name_in_use", "a") in _codes(stations)

    def test_not_by_words_of_the_manuals_dialect(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        with refused("OR103"):
            client.call("http_heartbeat", request={"instance_id": "a", "current_streams": []})
        assert client.booked == {*range(10)}

    def test_one_that_listens_by_now_is_no_such_client_any_more(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        stations.pass_time("2 minutes")
        assert client.booked == set(), "it is lost, and its list is remembered"
        other = _client(stations, "b", 2)
        assert len(other.start()) == 10
        stations.register("a", 5)
        wrong = {code for code, _ in _codes(stations)}
        assert wrong & {"heard_twice", "client_list_unknown", "client_capacity"} == set()
        assert stations.instance("a")["placement"] == "push"


class TestGivingBack:
    def test_all_of_it_is_its_goodbye(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.release(*client.own)
        assert client.booked == set() and client.own == []
        assert client.ask() == [], "a last ask may cross its goodbye"
        assert client.start() == [*range(10)], "what it gave back it may have again"

    def test_of_streams_with_different_requirements(self, stations: Fleet) -> None:
        for number, region in ((10, "south"), (11, "north")):
            url, name = f"http://radio.example/n{number}", f"Radio {number}"
            stations.admin("add_stream", url=url, name=name, external_id=str(number), region=region)
        client = _client(stations, capacity=20)
        assert len(client.start()) == 12
        stations.check_counts()
        client.release(*client.own[1:])
        assert (client.booked, len(numbers(stations, None))) == ({*client.own}, 11)

    def test_a_list_of_many_times_the_same_is_echoed(self, stations: Fleet) -> None:
        client = _client(stations, capacity=60)
        client.start()
        client.own = [number for _ in range(2000) for number in range(10)]
        client.release(*client.own)
        assert client.booked == set()

    def test_texts_and_strangers_are_understood(self, stations: Fleet) -> None:
        client = _client(stations, dialect="server")
        client.start()
        client.release("3", "7", "4711", 9)
        assert client.booked == {*range(10)} - {3, 7, 9}

    def test_work_that_ended_is_due_again(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(12)
        client.update(4, "processing")
        client.update(4, "completed")
        assert client.booked == {*range(10)} - {4}
        assert client.ask() == [4]
        client.update(5, "failed")
        client.update(6, "cancelled")
        assert client.ask() == [], "after a pause"
        stations.clock.advance("61 seconds")
        client.beat()
        assert client.ask() == [5, 6]

    def test_an_ask_that_crosses_the_end_of_work_starves_it_of_nothing(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(12)
        request = {"worker_instance_id": "a", "stream_id": "0", "status": "completed"}
        client.call("http_update_stream", request=request)
        assert client.ask_unheard() == [0]  # it works on it still, and skips it
        client.own.remove(0)
        assert {*client.ask_unheard()} == {*range(10)}  # it lacks one: it skips what it works on
        client.own.append(0)
        assert client.ask() == []
        client.update(5, "completed")
        assert client.ask() == [5]

    def test_what_it_has_forgotten_is_given_again(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(12)
        client.own = client.own[:4]  # its words about the others were lost
        assert {*client.ask_unheard()} == {*range(10)}
        client.own = [*range(10)]  # it skips what it works on
        assert client.ask() == []

    def test_they_go_to_a_worker_that_has_room(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        worker = stations.register("fv-1", 100)
        client.release(*client.own)
        stations.all_obey()
        assert len(worker.running) == 10


class TestLoss:
    @pytest.mark.parametrize(("last", "limit"), [("ask", 45), ("beat", 75)])
    def test_by_how_it_spoke_last(self, stations: Fleet, last: str, limit: int) -> None:
        a, b = _client(stations, "a", 1, capacity=5), _client(stations, "b", 2, capacity=5)
        for client in (a, b):
            client.start()
        if last == "ask":
            a.live(6)
        for second in range(0, limit + 10, 5):
            if last == "beat" and second == 0:
                stations.clock.advance("11 seconds")
                a.beat()
            b.ask()
            stations.run_due_jobs()
            lost = stations.instance("a")["status"] == "inactive"
            assert lost == (second >= limit), second
            stations.clock.advance("5 seconds")
        assert numbers(stations, None), "they wait for an ask"

    def test_of_several_together_everything_waits_for_an_ask(self, stations: Fleet) -> None:
        clients = [_client(stations, name, place, capacity=2) for place, name in enumerate("abcde", start=1)]
        for client in clients:
            client.register()
        for client in clients:
            client.start()
        for client in clients:
            client.live(6)
        for client in clients:
            client.ask()
        silent = {*clients[0].booked, *clients[1].booked}
        assert len(silent) == 4
        for _ in range(10):
            stations.clock.advance("5 seconds")
            for client in clients[2:]:
                client.ask_unheard()
            lost = stations.run_due_jobs().get("watch_instances") or {}
            if "lost" in lost:
                break
        assert lost["lost"] == ["a", "b"]
        assert numbers(stations, None) == silent

    def test_one_that_was_given_streams_and_never_spoke_again_is_a_ghost(self, stations: Fleet) -> None:
        ghost = _client(stations, capacity=5)
        ghost.start()
        stations.pass_time("59 seconds")
        assert len(ghost.booked) == 5
        stations.pass_time("2 seconds")
        assert ghost.booked == set()

    def test_not_when_most_fall_silent_together(self, stations: Fleet) -> None:
        clients = [_client(stations, name, place, capacity=4) for place, name in enumerate("abc", start=1)]
        for client in clients:
            client.register()
        for client in clients:
            client.ask()
        for client in clients:
            client.live(6)
        before = {client.name: client.booked for client in clients}
        for _ in range(28):
            stations.pass_time("5 seconds")
        assert {client.name: client.booked for client in clients} == before
        # one of them never comes back
        for _ in range(60):
            for client in clients[1:]:
                client.beat()
            stations.pass_time("5 seconds")
        assert stations.instance("a")["status"] == "inactive"

    def test_not_while_the_server_is_away_nor_soon_after(self, stations: Fleet) -> None:
        a, b = _client(stations, "a", 1, capacity=5), _client(stations, "b", 2, capacity=5)
        for client in (a, b):
            client.start()
            client.live(6)
        stations.query("select {a}.http_present()")
        for _ in range(20):
            stations.pass_time("10 seconds")
        assert len(a.booked) == len(b.booked) == 5
        for second in range(0, 230, 5):
            stations.query("select {a}.http_present()")
            b.ask()
            stations.pass_time("5 seconds")
            assert (stations.instance("a")["status"] == "inactive") == (second >= 175), second

    def test_what_a_lost_one_had_is_its_own_again_when_it_is_heard(self, stations: Fleet) -> None:
        a, b = _client(stations, "a", 1, capacity=5), _client(stations, "b", 2, capacity=5)
        for client in (a, b):
            client.start()
        a.live(6)
        had = a.booked
        for _ in range(12):
            stations.clock.advance("5 seconds")
            b.ask()
            stations.run_due_jobs()
        assert a.booked == set()
        a.beat()
        assert a.booked == had

    def test_a_worker_gives_it_back(self, stations: Fleet) -> None:
        worker = stations.register("fv-1", 100)
        client = _client(stations, capacity=10)
        stations.settle()
        had = {*client.start()}
        assert len(had) == 1, "its share of ten beside a hundred"
        client.live(6)
        for _ in range(12):
            stations.pass_time("5 seconds")
            stations.all_obey()
        assert len(worker.running) == 10
        client.beat()
        stations.all_obey()
        assert client.booked == had

    def test_what_another_client_has_by_now_is_heard_twice_and_told(self, stations: Fleet) -> None:
        a, b = _client(stations, "a", 1, capacity=5), _client(stations, "b", 2, capacity=10)
        for client in (a, b):
            client.start()
        a.live(6)
        for _ in range(20):
            stations.clock.advance("3 seconds")
            b.ask()
            stations.run_due_jobs()
        assert b.booked == {*range(10)}
        a.beat()
        assert b.booked == {*range(10)}
        assert ("heard_twice", "a") in _codes(stations)


class TestNames:
    def test_from_the_same_place_it_is_the_same_client(self, stations: Fleet) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        assert client.try_to_register() == 200

    @pytest.mark.parametrize(("last", "seconds"), [("ask", 10), ("beat", 75)])
    def test_one_elsewhere_waits_until_the_first_is_gone(self, stations: Fleet, last: str, seconds: int) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        if last == "beat":
            stations.clock.advance("11 seconds")
            client.beat()
        anew = _client(stations, "a", 2)
        for second in range(0, seconds, 5):
            assert anew.try_to_register() == 102, second
            stations.clock.advance("5 seconds")
        assert ("name_in_use", "a") in _codes(stations)
        stations.clock.advance("1 second")
        assert anew.try_to_register() == 200
        assert anew.ask() == [*range(10)]
        assert client.ask_unheard() == [], "the old one is elsewhere now"

    @pytest.mark.parametrize(("last", "status"), [("ask", 409), ("beat", 503)])
    def test_one_elsewhere_is_refused_when_the_first_lives(self, stations: Fleet, last: str, status: int) -> None:
        client = _client(stations)
        client.start()
        client.live(6)
        if last == "beat":
            stations.clock.advance("11 seconds")
        anew = _client(stations, "a", 2)
        for waited in range(0, 30, 5):
            client.ask() if last == "ask" else client.beat()
            answer, _ = anew.call(
                "http_register", request=anew.registration(), dialect="worker", waited=f"{waited} seconds"
            )
            assert answer == (102 if waited < 25 else status)

    @pytest.mark.parametrize("name", ["x" * 60, "rádio 7", "a/b", "名前", "-"])
    def test_any_name_is_understood_and_repeated(self, stations: Fleet, name: str) -> None:
        client = _client(stations, name)
        client.start()
        [row] = stations.query("select instance_id, name from {p}.pull_client")
        assert row["name"] == name and len(row["instance_id"]) <= 48
        client.beat()
        assert client.ask() == []

    @pytest.mark.parametrize("name", ["", "a\nb", "a\x01b", "x" * 201, None, ["a"]])
    def test_a_name_that_is_none_is_refused(self, stations: Fleet, name: object) -> None:
        with refused("OR101"):
            _client(stations).call("http_register", request={"instance_id": name, "capacity": 5}, dialect="worker")

    @pytest.mark.parametrize("capacity", [0, -3, 100_000, "30", None])
    def test_any_capacity_is_taken_as_far_as_it_can(self, stations: Fleet, capacity: object) -> None:
        client = _client(stations)
        status, _ = client.call("http_register", request={"instance_id": "a", "capacity": capacity}, dialect="worker")
        assert status == 200
        assert 1 <= stations.instance("a")["max_streams"] <= 1000


class TestNumbers:
    def test_two_sources_with_one_number_name_neither(self, stations: Fleet) -> None:
        stations.query("insert into {p}.source (source, kind, created_at) values ('other', 'list', {p}.now())")
        stations.query("update {p}.stream set source = 'other', external_id = '3' where external_id = '9'")
        client = _client(stations)
        assert {*client.start()} == {*range(9)} - {3}
        [finding] = [row for row in stations.admin("diagnose") if row["code"] == "number_of_two"]
        stations.query(finding["repair"].replace("orchestrator.", "{a}."))
        client.own.clear()
        assert {*client.start()} == {*range(9)}

    def test_an_id_that_is_no_number_is_reported(self, stations: Fleet) -> None:
        stations.add_streams(2)
        client = _client(stations, capacity=60)
        assert {*client.start()} == {*range(10)}
        assert "number_missing" in {row["code"] for row in stations.admin("diagnose")}


def test_what_is_of_no_use_any_more_is_purged(stations: Fleet) -> None:
    client = _client(stations)
    client.start()
    _client(stations, "nobody-knows").beat(40)
    stations.pass_time("2 minutes")
    assert client.booked == set()
    rows = "select (select count(*) from {p}.pull_memory) + (select count(*) from {p}.pull_stranger)"
    stations.run("purge_history")
    assert stations.value(rows) == 11
    stations.clock.advance("25 hours")
    stations.run("purge_history")
    assert stations.value(rows) == 0


def test_what_a_client_had_is_remembered_from_its_loss_on(stations: Fleet) -> None:
    """http_memory: however long before it was given its streams."""
    client = _client(stations)
    client.start()
    for _ in range(30):
        stations.clock.advance("1 hour")
        client.ask_unheard()
    stations.pass_time("2 minutes")
    assert client.booked == set()
    stations.run("purge_history")
    assert stations.value("select count(*) from {p}.pull_memory") == 10


def test_a_stranger_that_beats_is_answered_and_told_of(stations: Fleet) -> None:
    client = _client(stations, "nobody-knows")
    client.beat(40)
    assert client.ask() == []
    assert ("client_list_unknown", "nobody-knows") in _codes(stations)


def test_one_that_comes_with_a_list_that_was_not_given_here_is_told_of(stations: Fleet) -> None:
    client = _client(stations, capacity=60)
    client.own = [5, 6, 7]
    client.start()
    assert ("client_list_unknown", "a") in _codes(stations)


class TestOneThatCompares:
    """An administrator has said that the host stops what GET /instances/{id} does not show any more."""

    @pytest.fixture
    def host(self, stations: Fleet) -> PullClient:
        host = _client(stations, "s", dialect="server")
        host.start()
        host.beat()
        assert stations.one("set_client_kind", instance_id="s", kind="comparing")["can_be_moved"]
        stations.register("worker", 20)
        return host

    def compare(self, host: PullClient) -> None:
        row = host.fleet.one("http_instance", request={"server_id": host.name})
        host.own = row["body"]["data"]["assigned_streams"]

    def keeps_streams(self, stations: Fleet) -> bool:
        return bool(
            stations.query("select keeps_streams from {p}.instance where instance_id = 's'")[0]["keeps_streams"]
        )

    @pytest.mark.parametrize("says_so", ["beat", "ask"])
    def test_gives_up_what_is_moved_off_it(self, stations: Fleet, host: PullClient, says_so: str) -> None:
        stream_id = stations.streams_of("s")[0]
        stations.admin("move_stream", stream_id=stream_id, instance_id="worker")
        host.beat()
        assert stations.loads() == {"s": 10, "worker": 0}  # it does not know yet
        self.compare(host)
        assert len(host.own) == 9
        getattr(host, says_so)()
        assert stations.loads() == {"s": 9, "worker": 1}
        stations.clock.advance("30 seconds")
        host.beat()
        stations.settle()
        assert stations.loads() == {"s": 9, "worker": 1}  # it does not want it back
        stations.check_counts()

    def test_has_lost_what_it_did_not_give_up_in_time(self, stations: Fleet, host: PullClient) -> None:
        """It compares every half minute, and a hand-over may not wait for that."""
        stations.admin("move_stream", stream_id=stations.streams_of("s")[0], instance_id="worker")
        for _ in range(12):
            stations.pass_time("5 seconds")
            assert host.ask() == []
        assert stations.loads() == {"s": 9, "worker": 1}
        for _ in range(2):
            host.beat()
            self.compare(host)
            stations.clock.advance("30 seconds")
        host.beat()
        stations.settle()
        assert stations.loads() == {"s": 9, "worker": 1}

    def test_is_drained(self, stations: Fleet, host: PullClient) -> None:
        stations.admin("drain_instance", instance_id="s")
        stations.settle()
        self.compare(host)
        host.beat()
        assert stations.loads()["worker"] == 10

    @pytest.mark.parametrize("kind", ["learned", "plain", "first_answer_only"])
    def test_no_other_kind_can_be_moved(self, stations: Fleet, host: PullClient, kind: str) -> None:
        assert not stations.one("set_client_kind", instance_id="s", kind=kind)["can_be_moved"]
        with refused("OR405"):
            stations.admin("move_stream", stream_id=stations.streams_of("s")[0], instance_id="worker")

    def test_is_what_it_was_after_a_restart_and_not_with_another_program(
        self, stations: Fleet, host: PullClient
    ) -> None:
        host.own = []
        host.start()
        assert not self.keeps_streams(stations)
        other = _client(stations, "s", dialect="worker")
        other.start()
        assert self.keeps_streams(stations)

    def test_only_of_clients_that_can(self, stations: Fleet, host: PullClient) -> None:
        _client(stations, "a", dialect="worker").register()
        for instance_id, kind, code in (
            ("a", "comparing", "OR101"),
            ("worker", "plain", "OR101"),
            ("nobody", "plain", "OR103"),
            ("s", "odd", "OR101"),
        ):
            with refused(code):
                stations.one("set_client_kind", instance_id=instance_id, kind=kind)


@pytest.mark.parametrize(("hosts", "status"), [(1, "limited"), (0, "unhealthy")])
def test_health_is_limited_where_stations_wait_while_others_are_heard(stations: Fleet, hosts: int, status: str) -> None:
    """Scripts in the field take any other word for a server that is of no use; health() itself says unhealthy."""
    clients = [_client(stations, capacity=5)][:hosts]
    for client in clients:
        client.start()
    for _ in range(60):
        stations.clock.advance("3 seconds")
        for client in clients:
            client.ask()
        stations.query("select {a}.http_present()")
        stations.run_due_jobs()
    body = stations.one("http_health", version="1")["body"]
    assert (body["services"]["streams"]["status"], body["status"]) == ("unhealthy", status)


def test_a_server_that_was_lost_and_has_compared_is_heard(stations: Fleet) -> None:
    """It takes over that it has none, and its beats say so: they are its own, or it would be lost again and again."""
    worker = stations.register("worker", 20)
    host = _client(stations, "s", dialect="server")
    host.start()
    host.beat()
    had = len(host.booked)
    assert had
    for _ in range(12):
        stations.pass_time("10 seconds")
        worker.obey()
    assert host.booked == set()
    host.own = []  # GET /instances/s says so
    host.beat()
    assert stations.instance("s")["status"] in ("recovering", "active")
    stations.settle()
    assert len(worker.running) == 10


@pytest.mark.parametrize("dialect", ["server", "worker"])
def test_a_beat_of_none_is_not_that_of_one_that_has_some(stations: Fleet, dialect: str) -> None:
    """A container made anew beats under the name from where the old one did, and has nothing."""
    client = _client(stations, dialect=dialect)
    client.start()
    client.beat()
    client.beat(load=0)
    [row] = stations.query("select stray_load from {p}.pull_client")
    assert row["stray_load"] == 0
