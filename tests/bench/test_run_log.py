"""What an event did to the streams, from logs made by hand."""

from bench.run_log import analyse, read

BEFORE = ["1 a + s1", "1 a + s2", "1 b + s3"]


def test_a_killed_worker_leaves_gaps_and_nothing_needless() -> None:
    runs = read([*BEFORE, "10 a killed all", "14 b + s1", "16 b + s2"])
    found = analyse(runs, [9], 20, lambda before: sum("a" in who for who in before.values()), "a")
    assert (found["interrupted"], found["moves"], found["needless"], found["twice"]) == (2, 2, 0, 0)
    assert (found["gaps"], found["whole_after"], found["is_whole"]) == ([4, 6], 7, True)
    assert (found["unheard"], found["noticed_after"]) == (10, 5)


def test_a_stream_that_changes_places_for_nothing_is_needless_and_one_run_by_two_is_seen() -> None:
    runs = read([*BEFORE, "10 a + s3", "12 b - s3", "13 a - s1", "15 a + s1"])
    found = analyse(runs, [9], 20, lambda before: 0)
    assert (found["interrupted"], found["moves"], found["needless"]) == (1, 1, 1)
    assert (found["gaps"], found["overlaps"], found["whole_after"]) == ([2], [2], 6)


def test_a_stream_that_was_not_taken_is_not_whole() -> None:
    found = analyse(read([*BEFORE, "10 b - s3"]), [9], 20, lambda before: 0)
    assert (found["is_whole"], found["gaps"]) == (False, [10])


def test_moves_there_and_back_count_both_and_the_pauses_between_two_restarts_do_not() -> None:
    lines = [*BEFORE, "10 a - s1", "11 b + s1", "15 b - s1", "17 a + s1"]
    found = analyse(read(lines), [9, 14], 20, lambda before: 0)
    assert (found["interrupted"], found["moves"], found["needless"], found["gap_max"]) == (1, 2, 2, 3)
    assert found["whole_after"] == (11 - 9) + (17 - 14)
