"""The helpers that tests find SQL files by."""

import pytest

from orchestrator import templates
from tests.rooms import path_of, private_functions, public_functions, public_views, room_of, sql_file_of


def test_a_file_is_found_by_the_function_or_view_that_it_makes() -> None:
    for name in (*public_functions(), *private_functions(), *public_views()):
        path = sql_file_of(name)
        assert f".{name}" in path.read_text()
        assert templates.SQL_ROOT / path_of(path) == path


def test_a_name_that_no_file_makes_is_an_error() -> None:
    with pytest.raises(LookupError, match="make_coffee"):
        sql_file_of("make_coffee")


def test_only_grants_stand_in_no_room() -> None:
    assert room_of(templates.SQL_ROOT / "grants.sql") == ""
    assert room_of(sql_file_of("heartbeat")) != ""


def test_a_test_over_an_empty_set_fails(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getini("empty_parameter_set_mark") == "fail_at_collect"
