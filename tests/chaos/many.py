"""The second part: 850 streams on 8 workers that hear nothing, because hearing 850 streams takes more than one machine.

Everything else is as real as in the first part: processes, sessions, beats, drivers, hand-overs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab import ledger
from orchestrator.lab.processes import Process, Processes, ScenarioFailed
from tests.chaos.faults import Moves
from tests.chaos.laws import Law, Watch, ask
from tests.chaos.table import Result, Row

DATABASE = "many"
STREAMS, WORKERS, MAX_STREAMS = 850, 8, 150
NEWCOMERS = 50
PATIENCE = 120.0
# A look at 850 streams is not cheap.
LOOK_AT_LAWS_EVERY = 2.0

_ADD_STREAMS = """
select count(*) from generate_series(1, %(streams)s) as n
cross join lateral {api}.add_stream(p_url => format('http://radio.invalid/%%s', n), p_name => 'Radio ' || n) as s
"""

_STATE = """
select
    (select count(*) from {private}.assignment where state = 'running') as running,
    (select count(*) from {private}.movement where decision_id > %(after)s) as moves,
    (select coalesce(sum(least_moves), 0) from {private}.decision where decision_id > %(after)s) as least_moves,
    (select coalesce(max(decision_id), 0) from {private}.decision) as last_decision,
    (select count(*) from {private}.settle_request) as unsettled,
    (select max(registered_at) - min(registered_at) from {private}.instance where metadata ->> 'pid' = any(%(pids)s)) as spread,
    (select count(*) from {private}.instance where metadata ->> 'pid' = any(%(pids)s)) as registered
"""  # noqa: E501  # SQL reads better in whole lines


class Many:
    """850 streams on 8 workers, and what is done to them."""

    def __init__(self, server: Embedded, processes: Processes, mode: str, say: Callable[[str], None]) -> None:
        self._say = say
        self._processes = processes
        self._dsn = server.dsn(DATABASE)
        with closing(db.connect(server.dsn(), application_name="chaos")) as conn:
            ledger.create_database(conn, DATABASE)
        migrate(self._dsn)
        self._conn = db.connect(self._dsn, application_name="chaos")
        db.call(self._conn, "set_setting", name="handoff_mode", value=mode)
        self._watch = Watch(self._dsn, None, every=LOOK_AT_LAWS_EVERY)
        self._workers: list[Process] = []

    def run(self) -> Result:
        """All faults of this part."""
        rows: list[Row] = []
        failures = []
        try:
            self._start()
            self._watch.start()
            rows.append(self._act("rolling-850", "none", self._restart_all))
            rows.append(self._act("kill-850", "none", self._kill_all))
            rows.append(self._act("storm-50", "least", self._storm))
        except ScenarioFailed as failed:
            self._say(f"{self._watch.act} never healed: {failed.message}")
            failures.append(f"{self._watch.act}: {failed.message}")
            self._watch.note(Law.ASSIGNED, failed.message)
        if self._watch.is_alive():
            self._watch.stop()
        self._watch.look()
        self._conn.close()
        watch = self._watch
        return Result(rows=rows, breaches=watch.breaches, failures=failures, looks=watch.looks, blind=watch.blind)

    def _start(self) -> None:
        self._say(f"{STREAMS} streams on {WORKERS} workers without audio")
        ask(self._conn, _ADD_STREAMS, streams=STREAMS)
        for number in (1, 2):
            self._processes.start_command(f"many-{number}", "run", "--dsn", self._dsn, "--name", f"many-{number}")
        self._workers = [self._start_workers(number) for number in range(1, WORKERS + 1)]
        self._wait_until_all_run()

    def _act(self, name: str, allowed: Moves, do: Callable[[], None]) -> Row:
        description = " ".join((do.__doc__ or "").split())
        self._say(f"{name}: {description}")
        self._watch.act = name
        last_decision = self._state()["last_decision"]
        began = time.monotonic()
        do()
        self._wait_until_all_run()
        took = time.monotonic() - began
        state = self._state(last_decision)
        if state["moves"] > (0 if allowed == "none" else state["least_moves"]):
            self._watch.note(Law.MOVES, f"{state['moves']} moves, {allowed} allowed, least {state['least_moves']}")
        return Row(
            fault=name,
            description=description,
            times=1,
            heard_again_after=took,
            heard_within=None,
            lost=None,
            lost_per_stream=None,
            twice=None,
            breaches=sum(breach.act == name for breach in self._watch.breaches),
            moves=state["moves"],
            least_moves=state["least_moves"],
            moves_allowed=allowed,
            handlers_ended=None,
        )

    def _restart_all(self) -> None:
        """8 workers over 850 streams are restarted under their ids, one after the other. Nothing moves."""
        for number, worker in enumerate(self._workers, start=1):
            worker.terminate()
            worker.popen.wait(PATIENCE)
            self._start_again(number)

    def _kill_all(self) -> None:
        """8 workers over 850 streams are killed with -9 and started again, one after the other. Nothing moves."""
        for number, worker in enumerate(self._workers, start=1):
            worker.kill()
            self._start_again(number)

    def _start_again(self, number: int) -> None:
        worker = self._workers[number - 1] = self._start_workers(number)
        self._wait_until_registered(worker, 1)
        self._wait_until_all_run()

    def _storm(self) -> None:
        """50 more workers start in the same second. Each gets its share, and no more is moved than that."""
        at = time.time() + 8  # by then both processes are ready
        newcomers = [self._start_workers(first, NEWCOMERS // 2, at) for first in (101, 101 + NEWCOMERS // 2)]
        for process in newcomers:
            self._wait_until_registered(process, NEWCOMERS // 2)
        spread = self._state(pids=[str(process.popen.pid) for process in newcomers])["spread"]
        self._say(f"{NEWCOMERS} workers registered, the first and the last {spread.total_seconds():.1f} s apart")
        self._wait_until("every worker has a share", lambda: not self._state()["unsettled"])

    def _start_workers(self, first: int, count: int = 1, start_at: float = 0) -> Process:
        return self._processes.start_module(
            f"light-{first}",
            "tests.chaos.light",
            *("--dsn", self._dsn, "--first", str(first), "--workers", str(count)),
            *("--max-streams", str(MAX_STREAMS), "--start-at", str(start_at)),
        )

    def _wait_until_registered(self, process: Process, count: int) -> None:
        pids = [str(process.popen.pid)]
        self._wait_until(f"{process.name} is there", lambda: self._state(pids=pids)["registered"] == count)

    def _wait_until_all_run(self) -> None:
        def is_quiet() -> bool:
            state = self._state()
            return state["running"] == STREAMS and not state["unsettled"]

        self._wait_until("all streams run", is_quiet)

    def _wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        self._processes.wait_until(what, condition, PATIENCE)

    def _state(self, after: int = 0, pids: Sequence[str] = ()) -> db.Row:
        (row,) = ask(self._conn, _STATE, after=after, pids=list(pids))
        return row
