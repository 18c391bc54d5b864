"""Findings about clients that ask for their streams."""

import pytest

from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis
from tests.sql.pull import PullClient, add_numbered


@pytest.fixture
def client(fleet: Fleet) -> PullClient:
    """It has ten stations, and runs them."""
    add_numbered(fleet, *range(10))
    client = PullClient(fleet, "a")
    client.start()
    client.live(12)
    return client


def test_streams_that_are_wanted_elsewhere_cannot_be_moved(
    fleet: Fleet, diagnosis: Diagnosis, client: PullClient
) -> None:
    fleet.admin("drain_instance", instance_id="a")
    finding = diagnosis.sees("cannot_be_moved", "instance a")
    assert finding["evidence"] == {"streams": 10, "why": "it is being drained"}
    assert "recreate its container" in finding["recommendation"]


def test_streams_wait_until_a_client_that_has_room_asks(fleet: Fleet, diagnosis: Diagnosis, client: PullClient) -> None:
    second = PullClient(fleet, "b", peer="192.0.2.2", capacity=60)
    second.register()
    second.ask()
    second.live(12)
    client.release(*client.own)
    finding = diagnosis.sees("streams_wait_for_ask", "fleet")
    assert finding["evidence"]["streams"] == 10
    [explained, *_] = fleet.admin("explain_stream", stream_id=finding["evidence"]["stream_ids"][0])
    assert explained["detail"]["waits_because"] == "a client that has room has yet to ask for it"


def test_a_number_of_two_sources_is_found_and_repaired(fleet: Fleet, diagnosis: Diagnosis, client: PullClient) -> None:
    fleet.query("insert into {p}.source (source, kind, created_at) values ('other', 'list', {p}.now())")
    fleet.query("update {p}.stream set source = 'other', external_id = '3' where external_id = '9'")
    finding = diagnosis.sees("number_of_two", "sources manual, other")
    assert finding["evidence"] == {"numbers": [3], "count": 1}
    diagnosis.do(finding["repair"])
    assert "number_of_two" not in diagnosis.codes()


def test_an_id_that_is_no_number_is_found_where_such_clients_are(
    fleet: Fleet, diagnosis: Diagnosis, client: PullClient
) -> None:
    fleet.add_streams(2)
    assert diagnosis.sees("number_missing", "fleet")["evidence"]["streams"] == 2
