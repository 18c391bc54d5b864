"""What the orchestrator answered these clients before it knew them (at 697820d, with stations 1 to 60 under its ids).

Recorded from the doubles' own notes beside `orchestrator run` and `orchestrator serve`; ids in runs are shortened.
"""

from __future__ import annotations

from tests.field.scripted import Asked, Reply, Scripted, refused


def _assigned(*ids: int) -> Reply:
    streams = [{"url": f"http://radio.example/{each}", "name": f"Radio {each}", "stream_id": each} for each in ids]
    return Reply({"count": len(ids), "status": "assigned", "streams": streams, "assigned_streams": list(ids)})


def _none(status: str, message: str) -> Reply:
    return Reply({"status": status, "message": message, "streams": [], "assigned_streams": []})


NO_STREAMS = _none("no_streams", "the instance has its share; ask again later")
NO_CAPACITY = _none("no_capacity", "the instance has as many streams as it can hold")
ALL = _assigned(*range(1, 61))
FIRST_HALF = _assigned(*range(1, 31))
IN_USE = Reply(
    {"type": "about:blank", "title": "the instance id is in use by another live process", "status": 409,
     "code": "OR104"},
    409, "application/problem+json",
)  # fmt: skip
NO_SUCH_ROUTE = refused(404)

ASK = "/api/streams/assign"
COMMON = {
    "/api/workers/register": Reply({"success": True}),
    "/api/heartbeat": Reply({"status": "acknowledged"}),
    "/api/streams/update": NO_SUCH_ROUTE,
    "/health": Reply({"status": "healthy", "version": "0.1.0"}),
}

# Asks of a real host, by its programs: it starts, it replaces itself, it gave all back and starts again.
REAL_HOST_ALONE = ([NO_STREAMS, NO_STREAMS, ALL], [NO_STREAMS], [NO_STREAMS])
TWO_REAL_HOSTS = ([NO_STREAMS, NO_STREAMS, FIRST_HALF], [FIRST_HALF, NO_STREAMS])
RESTART_REPEATS = ([FIRST_HALF, NO_STREAMS], [FIRST_HALF, NO_STREAMS])
WORKER = [NO_STREAMS, NO_STREAMS, ALL, NO_CAPACITY, NO_STREAMS]
TEMPLATE = [NO_STREAMS, NO_STREAMS, _assigned(*range(1, 21)), NO_CAPACITY]
"""Until a beat of an idle template is taken for one that did not hear what it was given, half a minute later."""


def release(asked: Asked) -> Reply:
    """Each id once, of those that were its own, as numbers; texts are refused."""
    ids = asked.body["stream_ids"]
    if not all(isinstance(each, int) for each in ids):
        return refused(400)
    own = sorted(set(ids))
    return Reply({"status": "released" if own else "no_streams_to_release", "released_streams": own})


def play(server: Scripted, asks: list[Reply]) -> None:
    """These answers to asks from now on, and to everything else what it was answered always."""
    for path, reply in COMMON.items():
        server.say(path, reply)
    server.rule("/streams/release", release)
    server.say(ASK, *asks)
