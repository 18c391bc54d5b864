"""The digest, and what a stream is."""

from psycopg import sql

from tests.support import Database
from worker_shim.stream import Stream, digest


def _stream(stream_id: int, epoch: int) -> Stream:
    return Stream(stream_id, epoch, "name", "http://station/", {})


def test_the_digest_of_nothing_is_zero() -> None:
    assert digest([]) == 0


def test_the_digest_does_not_depend_on_the_order() -> None:
    streams = [_stream(1, 7), _stream(2, 3), _stream(900, 1)]
    assert digest(streams) == digest(reversed(streams)) != 0


def test_another_epoch_is_another_digest() -> None:
    assert digest([_stream(1, 1)]) != digest([_stream(1, 2)])


def test_the_database_computes_the_same_digest(database: Database) -> None:
    pairs = [(1, 1), (2, 1), (2, 2), (2**40, 17), (850, 2**33)]
    query = sql.SQL("select bit_xor({}.digest_of(s, e)) as digest from unnest(%s::bigint[], %s::bigint[]) as t (s, e)")
    row = (
        database.connect()
        .execute(query.format(sql.Identifier(database.names.private)), [[s for s, _ in pairs], [e for _, e in pairs]])
        .fetchone()
    )
    assert row is not None
    assert row["digest"] == digest(_stream(s, e) for s, e in pairs)
