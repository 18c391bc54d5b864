"""Beats beside an update of one row by its key, both driven by pgbench, and what an hour does to their table."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import psutil
from psycopg.pq import TransactionStatus

from bench import part
from bench.part import Figures, Goal
from bench.plots import Plot, new_plot
from bench.server import SERVER_SETTINGS, MeasuredFleet, Server, Size, server
from orchestrator import templates
from orchestrator.database import db
from orchestrator.database.embedded import program_path
from orchestrator.names import Names

TITLE = "Beats"

Side = Literal["ours", "raw"]
CONNECTIONS = (1, 8, 64)
SIZE = Size(10_000, 1_000)
BEATS_OF_AN_HOUR = 120_000  # of 1,000 instances, one every 30 s
PER_SCRIPT = 2  # beats in one run of a script
SOON_AFTER = 0.75  # of all beats: the snapshot was let go of after two thirds
WHERE_THE_REST_GOES = (
    "With several connections commits share their flushes, and the CPU counts. On a warm session a beat takes 171 µs "
    "of it, the update 101: 41 for the message and its values, 17 for the call (definer, path, limits, PL/pgSQL), 20 "
    "to read the report, 92 for the one statement with its commit, which looks into four tables more than the update. "
    "perf finds no function above 5 %: most is what every transaction prepares anew (expressions, locks, the catalog). "
    "With 64 sessions on two CPUs a beat takes half as much CPU again and the update does not: each session has plans "
    "and a catalog of its own, more for a beat than for the update, and the CPUs' caches hold few of them (not proved)."
)
_SCRIPTS = Path(__file__).parent / "sql" / "beats"


@dataclass(frozen=True)
class Rate:
    """What one run of pgbench came to, from when its sessions were warm."""

    per_second: float
    cpu_microseconds: float
    """What the server's processes were on a CPU for, per beat."""


def measure(quick: bool) -> dict[str, Any]:
    seconds = 2 if quick else 6
    with server() as measured, _beating(measured, measured.prepare(SIZE)) as fleet:
        _run(fleet, measured, "ours", connections=8, seconds=3)  # every page of the tables has been written once
        rates = [
            _compare(fleet, measured, connections, rounds=1 if quick else 7, seconds=seconds)
            for connections in CONNECTIONS[: 2 if quick else None]
        ]
        unprepared = _compare(fleet, measured, 8, rounds=1 if quick else 3, seconds=seconds, mode="extended")
        written = _written(fleet, measured)
        about = measured.describe()
    naptime = 2 if quick else 60  # seconds, as PostgreSQL is delivered
    with server({**SERVER_SETTINGS, "autovacuum": "on", "autovacuum_naptime": f"{naptime}s"}) as measured:
        beats = BEATS_OF_AN_HOUR // 10 if quick else BEATS_OF_AN_HOUR
        template = measured.prepare(SIZE)
        growth = {
            "plain": _hour(measured, template, beats, naptime, is_held=False),
            "beside an old snapshot": _hour(measured, template, beats, naptime, is_held=True),
        }
    return {
        "server": about,
        "pgbench": subprocess.check_output([program_path("pgbench"), "--version"], text=True).strip(),
        "rates": rates,
        "unprepared": unprepared,
        "written": written,
        "growth": growth,
    }


def goals(figures: Figures) -> list[Goal]:
    written, growth = figures["written"], figures["growth"]
    plain, held = growth["plain"], growth["beside an old snapshot"]
    return [
        *(
            Goal(
                f"Beats beside pgbench's updates of one row, {rate['connections']} connections",
                "at least 0.70",
                f"{rate['ratio']:.2f}: {rate['ours']['per_second']:,.0f} and {rate['raw']['per_second']:,.0f} a second",
                rate["ratio"] >= 0.7,
                WHERE_THE_REST_GOES,
            )
            for rate in figures["rates"]
        ),
        Goal(
            "Beats that are HOT updates",
            "at least 99 %",
            f"{100 * written['hot_part']:.2f} %",
            written["hot_part"] >= 0.99,
        ),
        Goal(
            "WAL of a beat, without full-page images",
            "under 250 bytes",
            f"{written['wal_bytes_per_beat']:.0f} bytes",
            written["wal_bytes_per_beat"] < 250,
        ),
        Goal(
            f"Growth of the table in {plain['beats']:,} beats",
            "none after its first tenth",
            f"{_mib(_size_after(plain, 0.1))} then, {_mib(_size_after(plain, 1))} at the end",
            _size_after(plain, 1) <= _size_after(plain, 0.1),
        ),
        Goal(
            "Growth beside an old snapshot, held for the second third",
            "none after it is gone, and HOT again",
            f"{_mib(held['samples'][0]['bytes'])} before, {_mib(_size_after(held, SOON_AFTER))} soon after, "
            f"{_mib(_size_after(held, 1))} at the end, {held['dead_at_end']:,} dead rows left, "
            f"{100 * held['hot_part_after']:.1f} % HOT",
            _size_after(held, 1) <= _size_after(held, SOON_AFTER) and held["hot_part_after"] >= 0.99,
        ),
    ]


def plots(figures: Figures) -> dict[str, Plot]:
    ratios = new_plot(7, 3.5, layout="constrained")
    axes = ratios.add_subplot()
    names = [str(rate["connections"]) for rate in figures["rates"]]
    axes.bar(names, [rate["ratio"] for rate in figures["rates"]], color="tab:blue")
    for place, rate in enumerate(figures["rates"]):
        axes.plot([place] * len(rate["pairs"]), [_ratio(pair) for pair in rate["pairs"]], "k.", markersize=4)
    axes.axhline(0.7, color="tab:red", linewidth=1)
    axes.set(xlabel="connections", ylabel="beats per update of one row", ylim=(0, 1))

    sizes = new_plot(7, 3.5, layout="constrained")
    axes = sizes.add_subplot()
    for name, hour in figures["growth"].items():
        axes.plot(
            [sample["beats"] for sample in hour["samples"]],
            [sample["bytes"] / 2**20 for sample in hour["samples"]],
            label=name,
        )
    axes.set(xlabel="beats", ylabel="MiB of the table", ylim=(0, None))
    axes.legend()
    return {"beats-ratio": ratios, "beats-table": sizes}


# -- Ours and raw ------------------------------------------------------------------------------------------------------


@contextmanager
def _beating(measured: Server, template: str) -> Iterator[MeasuredFleet]:
    """A fleet in step whose jobs are done: every beat is an ordinary one."""
    with measured.clone(template, SIZE) as fleet:
        fleet.run("job.sql", job="settle")
        fleet.run("confirm_all.sql")
        fleet.run("beats_are_now.sql")
        fleet.run("beats/jobs_are_done.sql")
        fleet.run("beats/workers.sql")
        fleet.vacuum()
        yield fleet


def _compare(
    fleet: MeasuredFleet, measured: Server, connections: int, rounds: int, seconds: int, mode: str = "prepared"
) -> dict[str, Any]:
    """Ours and raw in turns; the ratio is the median of the pairs' own, since the machine is not always the same."""
    sides: tuple[Side, Side] = ("ours", "raw")
    pairs = [
        {side: asdict(_run(fleet, measured, side, connections, seconds, mode)) for side in sides} for _ in range(rounds)
    ]
    return {
        "connections": connections,
        "mode": mode,
        "pairs": pairs,
        "ratio": statistics.median(_ratio(pair) for pair in pairs),
        **{
            side: {name: statistics.median(pair[side][name] for pair in pairs) for name in pairs[0][side]}
            for side in sides
        },
    }


def _ratio(pair: Mapping[Any, Any]) -> float:
    return float(pair["ours"]["per_second"] / pair["raw"]["per_second"])


def _run(
    fleet: MeasuredFleet, measured: Server, side: Side, connections: int, seconds: int, mode: str = "prepared"
) -> Rate:
    """One run of pgbench. Its first two seconds are not counted: sessions that live for days have their plans."""
    warm_up = 2
    options = [
        "-M",
        mode,
        "-c",
        str(connections),
        "-j",
        str(min(connections, 2)),
        "-T",
        str(warm_up + seconds),
        "-P",
        "1",
    ]
    rates: list[float] = []
    cpu: list[float] = []
    with _pgbench(fleet, side, options) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("progress: "):
                rates.append(PER_SCRIPT * float(line.split()[3]))
                cpu.append(_cpu_seconds(measured.pid))
    counted = rates[warm_up : warm_up + seconds - 1]  # in the last one sessions end
    used = cpu[warm_up + len(counted) - 1] - cpu[warm_up - 1]
    return Rate(statistics.fmean(counted), 1e6 * used / sum(counted))


@contextmanager
def _pgbench(fleet: MeasuredFleet, script: str, options: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(templates.render(f"{script}.sql", Names.for_schema(), root=_SCRIPTS))
        file.flush()
        command = [str(program_path("pgbench")), "-n", "-D", "is_told=0", "-f", file.name, *options, fleet.dsn]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            yield process
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {process.returncode}")


def _cpu_seconds(postmaster: int) -> float:
    """What the server's processes that are there have been on a CPU for."""
    total = 0.0
    for process in psutil.Process(postmaster).children():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _written(fleet: MeasuredFleet, measured: Server) -> dict[str, Any]:
    """What beats write: WAL but for the images of pages, and how many of the updates are HOT."""
    fleet.run("beats/walinspect.sql")
    [before], began = _so_far(fleet), fleet.wal_position()
    _run(fleet, measured, "ours", connections=8, seconds=3)
    [after], ended = _so_far(fleet), fleet.wal_position()
    [wal] = fleet.run("beats/wal_between.sql", {"began": began, "ended": ended})
    beats = after["updates"] - before["updates"]
    return {
        "beats": beats,
        "hot_part": (after["hot_updates"] - before["hot_updates"]) / beats,
        "wal_bytes_per_beat": wal["record_bytes"] / beats,
        "page_image_bytes": wal["image_bytes"],
    }


def _so_far(fleet: MeasuredFleet) -> list[db.Row]:
    fleet.run("flush_statistics.sql")
    time.sleep(0.1)
    return fleet.run("beats_so_far.sql")


# -- An hour of beats --------------------------------------------------------------------------------------------------


def _hour(measured: Server, template: str, beats: int, naptime: float, *, is_held: bool) -> dict[str, Any]:
    """So many beats of 1,000 instances, as fast as they go, beside an autovacuum as a server has it; for the second
    third of them another session holds a snapshot from before, when `is_held`."""
    clients = 8
    with _beating(measured, template) as fleet:
        other = fleet.connect()
        samples = [_sample(fleet)]
        with _pgbench(fleet, "hour", ["-M", "prepared", "-c", str(clients), "-t", str(beats // clients)]) as process:
            while process.poll() is None:
                samples.append(_sample(fleet))
                is_to_hold = is_held and beats / 3 <= samples[-1]["beats"] < 2 * beats / 3
                holds = other.info.transaction_status is not TransactionStatus.IDLE
                if is_to_hold and not holds:
                    fleet.run("beats/hold_snapshot.sql", conn=other)
                elif holds and not is_to_hold:
                    other.rollback()
                time.sleep(0.1)
        other.rollback()
        vacuums = samples[-1]["autovacuums"]
        until = time.monotonic() + 1.5 * naptime
        while _sample(fleet)["autovacuums"] == vacuums and time.monotonic() < until:
            time.sleep(1)
        samples.append(_sample(fleet))
    after = _sample_after(samples, SOON_AFTER)
    return {
        "beats": beats,
        "samples": samples,
        "bytes_at_first": samples[0]["bytes"],
        "bytes_soon_after": after["bytes"],
        "bytes_at_end": samples[-1]["bytes"],
        "dead_at_end": samples[-1]["dead_rows"],
        "hot_part": _hot_part(samples[0], samples[-1]),
        "hot_part_after": _hot_part(after, samples[-1]),
    }


def _sample(fleet: MeasuredFleet) -> db.Row:
    [sample] = fleet.run("beats/table.sql")
    return sample


def _sample_after(samples: Sequence[db.Row], part_of_all: float) -> db.Row:
    """The first one after so many of all beats."""
    return next(sample for sample in samples if sample["beats"] >= part_of_all * samples[-1]["beats"])


def _hot_part(before: db.Row, after: db.Row) -> float:
    updates = after["updates"] - before["updates"]
    return float((after["hot_updates"] - before["hot_updates"]) / updates) if updates else 1.0


def _size_after(hour: Figures, part_of_all: float) -> int:
    return int(_sample_after(hour["samples"], part_of_all)["bytes"])


def _mib(size: int) -> str:
    return f"{size / 2**20:.2f} MiB"


if __name__ == "__main__":
    part.run_alone(cast(part.Part, sys.modules[__name__]))
