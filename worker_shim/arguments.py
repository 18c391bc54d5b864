"""What a worker is given, looked at when it is made: a mistake is a ValueError with the argument and what it may be."""

from __future__ import annotations

import inspect
import json
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from orchestrator.errors import BadArgument
from orchestrator.names import Names
from worker_shim.context import Context, Stop

A_YEAR = 365 * 86400.0


def require(is_good: bool, name: str, wanted: str, given: object) -> None:
    """Refuse an argument, by its name, what it must be, and what it is."""
    if not is_good:
        raise ValueError(f"{name} must be {wanted}, not {given!r}")


def check_choice(name: str, choice: object, literal: object) -> None:
    """One of the values of a Literal."""
    allowed = get_args(literal)
    require(isinstance(choice, str) and choice in allowed, name, f"one of {', '.join(map(repr, allowed))}", choice)


def check_seconds(name: str, seconds: object, least: float) -> None:
    """A time that passes."""
    is_number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool) and math.isfinite(seconds)
    wanted = f"a number of seconds from {least:g} to {A_YEAR:.0f} (a year)"
    require(is_number and least <= float(seconds) <= A_YEAR, name, wanted, seconds)  # type: ignore[arg-type]  # it is one


def check_whole(name: str, number: object, least: int, most: int) -> None:
    """A whole number within bounds."""
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    require(is_whole and least <= number <= most, name, f"a whole number from {least} to {most}", number)  # type: ignore[operator]


def check_flag(name: str, flag: object) -> None:
    """True or False: a text such as "False" counts as true everywhere else."""
    require(isinstance(flag, bool), name, "True or False", flag)


def check_text(name: str, text: object) -> None:
    """A text that says something."""
    require(isinstance(text, str) and bool(text.strip()), name, "a text that is not empty", text)


def check_worker(given: Mapping[str, Any], on_exit: object, on_isolation: object) -> None:
    """All that a Worker is given, but its handler; the orchestrator looks at what only it can know."""
    if not isinstance(given["dsn"], str):
        raise ValueError("dsn must be a text; it is not said here what it is, for its password")
    check_text("instance_id", given["instance_id"])
    check_whole("max_streams", given["max_streams"], 1, 1000)
    capabilities = given["capabilities"]
    is_list = isinstance(capabilities, Sequence | set | frozenset) and not isinstance(capabilities, str | bytes)
    require(is_list, "capabilities", "a sequence of texts", capabilities)
    for capability in capabilities:
        check_text("each of capabilities", capability)
    for name in ("version", "location"):
        require(given[name] is None or isinstance(given[name], str), name, "a text or None", given[name])
    if given["host"] is not None:
        check_text("host", given["host"])
    check_text("schema", given["schema"])
    try:
        Names.for_schema(given["schema"])
    except BadArgument as error:
        raise ValueError(f"schema: {error.message}: {error.hint}") from None
    check_choice("on_exit", given["on_exit"], on_exit)
    check_choice("on_isolation", given["on_isolation"], on_isolation)
    if given["lease"] is not None:
        check_seconds("lease", given["lease"], 1)
    _check_metadata(given["metadata"])
    for name, least in (("drain_timeout", 0), ("suspend_for", 1), ("stop_timeout", 0), ("network_timeout", 1)):
        check_seconds(name, given[name], least)
    check_seconds("poll_interval", given["poll_interval"], 0.1)
    check_seconds("wait_for_id", given["wait_for_id"], 0)
    check_flag("listen", given["listen"])
    check_flag("make_before_break", given["make_before_break"])
    check_flag("standbys", given["standbys"])


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise ValueError("metadata must be a mapping with texts as keys")
    try:
        json.dumps(dict(metadata), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata must be such that it can be said in JSON: {error}") from None


def check_handler(name: str, handler: object, second: type[Context] | type[Stop] | None) -> None:
    """A function of a stream and, unless it is a callback, of the second parameter's type."""
    wanted = (
        f"a function of (stream, {'context' if second is Context else 'stop'})" if second else "a function of (stream)"
    )
    require(callable(handler), name, wanted, handler)
    assert callable(handler)
    if inspect.isclass(handler):
        raise ValueError(f"{name} must be {wanted}: {handler.__qualname__} is a class; give an instance of it")
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise ValueError(
            f"{name} must be {wanted} that runs: one with a yield in it makes a generator, and does nothing"
        )
    signature = _signature(handler)
    if signature is None:
        return  # one of C, which does not say what it takes
    try:
        signature.bind(*([object()] * (2 if second else 1)))
    except TypeError as error:
        raise ValueError(f"{name} must be {wanted}: {error}") from None
    if second:
        _check_order(name, wanted, list(signature.parameters.values())[:2], second)


def _check_order(
    name: str, wanted: str, parameters: list[inspect.Parameter], second: type[Context] | type[Stop]
) -> None:
    names = [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_POSITIONAL]
    types = [each.annotation for each in parameters]
    other: type = Stop if second is Context else Context
    if names[:1] in (["stop"], ["context"]) or names[1:2] == ["stream"] or types[0] in (Stop, Context):
        raise ValueError(f"{name} must be {wanted}, in this order, not of ({', '.join(names)})")
    if types[1:] == [other]:
        kind = (
            "an async def gets a Context" if second is Context else "a plain function runs in a thread, and gets a Stop"
        )
        raise ValueError(f"{name} must be {wanted}: {kind}")


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # a name in an annotation that only type checkers know
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
