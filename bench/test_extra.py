"""What needs the extra `bench`: `make test-bench`. Everything else about the benchmark is tested in tests/bench."""

from pathlib import Path

from bench import peers, plots
from bench.kafka_assignors import ASSIGNORS, assign


def test_an_assignor_is_asked_until_every_stream_has_an_owner() -> None:
    """The cooperative one takes away in its first round and gives in its second."""
    before = peers.balanced(60, 5)
    members = [f"member-{place:05}" for place in range(6)]
    for assignor in ASSIGNORS.values():
        after, _ = assign(assignor, members, before, 60)
        assert len(after) == 60 and peers.moves(before, after) == peers.least_moves([12] * 5 + [0], 60)


def test_the_same_figures_make_the_same_plots(tmp_path: Path) -> None:
    """Also those with dots as a snapshot in them; and what was there before is gone."""
    written = []
    for directory in (tmp_path / "one", tmp_path / "two"):
        directory.mkdir()
        (directory / "old.svg").touch()
        plot = plots.new_plot(3, 2)
        plot.subplots().plot([1, 2], [3, 4], ".", label="ours", rasterized=True)
        plots.write({"decisions-time": plot}, directory)
        written.append({path.name: path.read_bytes() for path in directory.iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"decisions-time.svg"}
