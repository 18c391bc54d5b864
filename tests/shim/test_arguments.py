"""What a worker is given is looked at when it is made, and each mistake is named."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from tests.shim.support import Fleet, Recorder
from worker_shim import Context, Refused, Stop, Stream, Worker, run_workers
from worker_shim.cli import main
from worker_shim.resilient_worker_client import create_resilient_worker_client

# by argument: what is wrong with it, and a part of what is said to be right
WRONG: list[tuple[str, Any, str]] = [
    ("on_exit", "x", "'drain', 'suspend', 'leave'"),
    ("on_exit", "Drain", "'drain', 'suspend', 'leave'"),
    ("on_exit", None, "'drain', 'suspend', 'leave'"),
    ("on_exit", ["drain"], "'drain', 'suspend', 'leave'"),
    ("on_isolation", "x", "'continue', 'stop'"),
    ("on_isolation", "", "'continue', 'stop'"),
    ("on_isolation", True, "'continue', 'stop'"),
    ("dsn", None, "a text"),
    ("dsn", "postgres//me:hush@host", "cannot be parsed"),
    ("instance_id", "", "not empty"),
    ("instance_id", 7, "a text"),
    ("max_streams", 0, "from 1 to 1000"),
    ("max_streams", 1001, "from 1 to 1000"),
    ("max_streams", "10", "a whole number"),
    ("max_streams", 10.0, "a whole number"),
    ("max_streams", True, "a whole number"),
    ("capabilities", "audio_fingerprinting", "a sequence of texts"),
    ("capabilities", None, "a sequence of texts"),
    ("capabilities", ["audio_fingerprinting", 7], "each of capabilities must be a text"),
    ("version", 7, "a text or None"),
    ("location", ["sudeste"], "a text or None"),
    ("schema", "No Schema", "lowercase"),
    ("schema", None, "a text"),
    ("metadata", ["a"], "a mapping"),
    ("metadata", {1: "a"}, "texts as keys"),
    ("metadata", {"a": object()}, "JSON"),
    ("metadata", {"a": float("nan")}, "JSON"),
    ("listen", "False", "True or False"),
    ("make_before_break", 1, "True or False"),
    ("standbys", "yes", "True or False"),
    ("host", "", "not empty"),
    ("host", 7, "a text"),
    *(
        (name, seconds, f"a number of seconds from {least} to")
        for name, least in (
            *(("lease", "1"), ("drain_timeout", "0"), ("suspend_for", "1"), ("stop_timeout", "0")),
            *(("network_timeout", "1"), ("poll_interval", "0.1"), ("wait_for_id", "0")),
        )
        for seconds in (-1, "30", float("nan"), float("inf"), 1e300, True, timedelta(seconds=30))
    ),
    ("network_timeout", 0, "from 1 to"),
    ("poll_interval", 0, "from 0.1 to"),
    ("suspend_for", None, "a number of seconds"),
]


@pytest.mark.parametrize(("name", "value", "wanted"), WRONG)
def test_a_mistake_in_any_argument_is_named_with_what_it_may_be(name: str, value: object, wanted: str) -> None:
    given: dict[str, Any] = {"dsn": "", "instance_id": "fv-1", "max_streams": 10, "handler": Recorder(), name: value}
    with pytest.raises(ValueError) as refused:
        Worker(**given)
    assert name in str(refused.value) and wanted in str(refused.value)
    assert "hush" not in str(refused.value)


def test_what_is_at_the_bounds_is_taken() -> None:
    for options in (
        {"max_streams": 1, "drain_timeout": 0, "stop_timeout": 0, "wait_for_id": 0, "network_timeout": 1, "lease": 1},
        {"max_streams": 1000, "poll_interval": 0.1, "suspend_for": 1, "capabilities": ("a",), "metadata": {"a": [1]}},
    ):
        Worker(**{"dsn": "", "instance_id": "fv-1", "handler": Recorder(), **options})  # type: ignore[call-overload]  # mypy cannot know them


@pytest.mark.parametrize("how", ["x", "Drain", True])
def test_a_worker_can_only_leave_in_a_way_that_there_is(how: Any) -> None:
    worker = Worker("", "fv-1", 10, Recorder())
    with pytest.raises(ValueError, match="how must be one of 'drain', 'suspend', 'leave'"):
        worker.stop(how)


def test_the_face_of_the_older_client_refuses_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="on_isolation must be one of"):
        create_resilient_worker_client("dbname=x", "fv-1", 10, on_isolation="x")


@pytest.mark.parametrize("workers", [[], ["fv-1"], None])
def test_workers_that_run_together_are_workers(workers: Any) -> None:
    with pytest.raises(ValueError, match="workers must be"):
        run_workers(workers)
    one = Worker("", "fv-1", 10, Recorder())
    with pytest.raises(ValueError, match="workers must be"):
        run_workers([one, one])


# -- Handlers ------------------------------------------------------------------------


async def _swapped(context: Context, stream: Stream) -> None: ...
async def _stopped(stream: Stream, stop: Stop) -> None: ...
async def _alone(stream: Stream) -> None: ...
async def _three(stream: Stream, context: Context, more: int) -> None: ...
async def _yields(stream: Stream, context: Context) -> AsyncIterator[None]:
    yield


def _yields_too(stream: Stream, stop: Stop) -> Iterator[None]:
    yield


def _plain_with_context(stream: Stream, context: Context) -> None: ...
def _unannotated(stop, stream): ...  # type: ignore[no-untyped-def]  # as people write it
def _by_name_only(*, stream: Stream, stop: Stop) -> None: ...


class _Quoted:
    def __call__(self, stream: "Stream", context: "Context") -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (_swapped, "in this order"),
        (_unannotated, "in this order"),
        (_stopped, "an async def gets a Context"),
        (_plain_with_context, "a plain function runs in a thread, and gets a Stop"),
        (_Quoted(), "gets a Stop"),
        (_alone, "too many positional"),
        (_three, "'more'"),
        (_by_name_only, "positional"),
        (functools.partial(_three, more=1), None),
        (_yields, "yield"),
        (_yields_too, "yield"),
        (_Quoted, "is a class"),
        ("listen", "a function"),
        (7, "a function"),
    ],
)
def test_a_handler_that_could_not_run_is_refused(handler: Any, said: str | None) -> None:
    if said is None:
        Worker("", "fv-1", 10, handler)
        return
    with pytest.raises(ValueError) as refused:
        Worker("", "fv-1", 10, handler)
    assert str(refused.value).startswith("handler must be") and said in str(refused.value)


def _start(stream: Stream) -> None: ...
def _start_and_more(stream: Stream, context: Context) -> None: ...


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either a handler, or on_start and on_stop"),
        ({"on_start": _start}, "either a handler, or on_start and on_stop"),
        ({"on_stop": _start}, "either a handler, or on_start and on_stop"),
        ({"handler": Recorder(), "on_start": _start, "on_stop": _start}, "either a handler, or on_start and on_stop"),
        ({"on_start": _start_and_more, "on_stop": _start}, "on_start must be"),
        ({"on_start": _start, "on_stop": "stop"}, "on_stop must be"),
        ({"on_start": _start, "on_stop": _start, "make_before_break": True}, "make_before_break needs a handler"),
        ({"on_start": _start, "on_stop": _start, "standbys": True}, "standbys needs make_before_break"),
    ],
)
def test_a_worker_has_one_handler_or_both_callbacks(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Worker("", "fv-1", 10, **options)


async def test_a_plain_function_that_returns_a_coroutine_is_a_failure_that_says_so(fleet: Fleet) -> None:
    fleet.add_streams(1)
    sneaky: Callable[..., Any] = lambda stream, stop: Recorder()(stream, stop)  # noqa: E731  # as people write it
    async with fleet.work("fv-1", sneaky):
        await fleet.until(lambda: fleet.query("select reason from {private}.refusal where reason like '%%async def%%'"))


async def test_callbacks_may_be_asynchronous_objects(fleet: Fleet) -> None:
    class Callback:
        def __init__(self) -> None:
            self.called: list[int] = []

        async def __call__(self, stream: Stream) -> None:
            await asyncio.sleep(0)
            self.called.append(stream.stream_id)

    (stream_id,) = fleet.add_streams(1)
    started, stopped = Callback(), Callback()
    async with fleet.work("fv-1", None, on_start=started, on_stop=stopped):
        await fleet.until(lambda: started.called == [stream_id])
    assert stopped.called == [stream_id]


# -- The command line and the environment ---------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MAX_STREAMS", "abc", "'--max-streams'"),
        ("MAX_STREAMS", "0", "0 is not in the range"),
        ("ORCHESTRATOR_SCHEMA", "No Schema", "schema"),
        ("ORCHESTRATOR_DSN", "postgres//me:hush@host", "dsn"),
        ("LOG_LEVEL", "loud", "'loud' is not one of"),
        ("LOG_ROTATION", "weekly", "'weekly' is not one of"),
    ],
)
def test_a_mistake_in_the_environment_is_status_2_and_a_sentence(variable: str, value: str, said: str) -> None:
    environment = {"MAX_STREAMS": "5", "INSTANCE_ID": "a", variable: value}
    result = CliRunner().invoke(main, ["run", "--exec", "true"], env=environment)
    assert result.exit_code == 2 and said in result.output
    assert "Traceback" not in result.output and "hush" not in result.output


# -- Refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"instance_id": "two words"}, "instance_id"),
        ({"lease": 1}, "lease"),
        ({"location": "x" * 5000}, "location"),
    ],
)
async def test_a_refusal_of_the_database_names_the_argument(
    fleet: Fleet, options: dict[str, Any], argument: str
) -> None:
    given: dict[str, Any] = {"instance_id": "fv-1", "handler": Recorder()} | options
    worker = fleet.worker(**given)
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(worker.run_async(), 20)
    assert (refused.value.code, refused.value.argument) == ("OR101", argument)
    assert argument in str(refused.value) and "OR101" in str(refused.value)
    assert refused.value.hint and f"p_{argument}" in (refused.value.detail or "")


def test_a_refusal_without_an_argument_names_none() -> None:
    for detail in (None, "", "Key (id)=(1) already exists.", "[1]", '{"instance_id": "fv-1"}', '{"argument": 7}'):
        refusal = Refused("OR104", "the id is in use", "stop the other", detail)
        assert refusal.argument is None and str(refusal) == "the id is in use (OR104)"
        assert (refusal.code, refusal.detail, refusal.hint) == ("OR104", detail, "stop the other")


def test_an_instance_id_in_the_environment_is_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Made(Exception):
        pass

    def make(instance_id: str, **_: Any) -> None:
        made.append(instance_id)

    def run(_: Any) -> None:
        raise Made

    monkeypatch.setattr("worker_shim.cli.Worker", make)
    monkeypatch.setattr("worker_shim.cli.run_workers", run)
    result = CliRunner().invoke(main, ["run", "--exec", "true", "--max-streams", "5"], env={"INSTANCE_ID": "two words"})
    assert isinstance(result.exception, Made) and made == ["two words"]
