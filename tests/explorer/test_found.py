"""Paths that broke a law once, or break one when a fault is planted. What the explorer prints is put here."""

from __future__ import annotations

from tests.explorer.conftest import Replay


def test_one_epoch_for_two_processes(replay: Replay) -> None:
    """A process of the time after the backup, and one that registers after the restore."""
    replay(
        "make_before_break",
        ("back_up",),
        ("new", "b3", 1),
        ("beat", "b1"),
        ("restore",),
    )


def test_heard_twice_at_rest(replay: Replay) -> None:
    """Lost twice before it heard of the first loss, an instance went on, and its beats were answered with nothing."""
    replay(
        "break_before_make",
        ("pause",),
        ("silence", "a", "obey"),
        ("beat", "a1", 0),
        ("silence", "a", "obey"),
    )


def test_what_two_instances_prepare_one_after_the_other_is_the_last_one_s(replay: Replay) -> None:
    """The first one says that it hears the stream when another is already to have it."""
    replay(
        "make_before_break",
        ("new", "c1", 0),
        ("move", 1, "c"),
        ("move", 2, "c"),
        ("beat", "c1"),
        ("hear", "c1", 1),
        ("hear", "c1", 2),
        ("move", 1, "b"),
        ("acknowledge", "c1"),
    )


def test_a_hand_over_takes_as_long_although_the_clock_steps(replay: Replay) -> None:
    replay("break_before_make", ("move", 1, "b"), ("clock", 3600, 1), ("jobs",))


def test_who_claims_what_another_owns_is_told_to_stop(replay: Replay) -> None:
    replay("break_before_make", ("silence", "a", "obey"), ("beat", "a1", 0), ("report", "a1"))


def test_no_lease_is_cut_short(replay: Replay) -> None:
    replay(
        "break_before_make",
        ("new", "b2", 1, "stops"),
        ("beat", "b2"),
        ("wait", 11),
        ("beat", "a1"),
        ("wait", 11),
    )


def test_a_lease_counts_from_the_restore(replay: Replay) -> None:
    """A process was heard after the backup: the restored database does not know of that."""
    replay(
        "make_before_break",
        ("new", "c1", 0, "stops"),
        ("silence", "a", "deaf"),
        ("back_up",),
        ("silence", "a", "obey"),
        ("restore",),
        ("new", "c2", 0, "unable"),
    )


def test_a_stop_of_an_earlier_time_ends_no_hand_over(replay: Replay) -> None:
    """It goes on with the stream under a newer epoch, and says both in one call."""
    replay(
        "break_before_make",
        ("new", "b2", 1, "stops"),
        ("beat", "b2"),
        ("acknowledge", "b2"),
        ("new", "c1", 0),
        ("wait", 3),
        ("beat", "c1"),
        ("silence", "b", "deaf"),
        ("move", 2, "c"),
        ("beat", "a1"),
        ("silence", "b", "deaf"),
        ("beat", "a1"),
        ("beat", "b2"),
        ("move", 2, "b"),
        ("acknowledge", "a1"),
    )


def test_what_is_prepared_and_fails_is_not_said_to_be_heard(replay: Replay) -> None:
    replay(
        "make_before_break",
        ("new", "c1", 0, "stops"),
        ("wait", 3),
        ("beat", "c1"),
        ("hear", "c1", 3),
        ("fail", "c1", 3),
    )
