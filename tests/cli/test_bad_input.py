"""Every command refuses what it cannot use, with the name of what is wrong, and harms no terminal in doing so."""

import shlex

import pytest

from tests.cli.conftest import Answer, Cli, Fleet
from tests.cli.terminal import terminal
from tests.support import Database

EVIL = "\x1b[2J\u202elive\u2066\x9b31m\x07"
"""Clears the screen, turns the line round, rings."""
NOT_UTF8 = "\udcff"
HUGE = "9" * 40

NOWHERE = ("--dsn", "host=/nowhere")  # asking it ends with 75

BEFORE_CONNECTING: list[tuple[str, str]] = [
    # the command, the parameter that is named
    ("stream remove -- -5", "STREAM_ID"),
    ("stream remove 0", "STREAM_ID"),
    ("stream remove 1.5", "STREAM_ID"),
    (f"stream move {HUGE} one", "STREAM_ID"),
    ("stream move 1 ''", "INSTANCE_ID"),
    (f"stream pin 1 {NOT_UTF8}", "INSTANCE_ID"),
    ("stream unpin x", "STREAM_ID"),
    ("stream explain ''", "STREAM_ID"),
    ("stream activate -- -1", "STREAM_ID"),
    ("stream deactivate nan", "STREAM_ID"),
    ("stream list --limit 0", "--limit"),
    (f"stream list --limit {HUGE}", "--limit"),
    ("stream list --state gone", "--state"),
    ("stream list --instance ''", "--instance"),
    ("stream add ''", "URL"),
    (f"stream add http://radio.example/{NOT_UTF8}", "URL"),
    ("stream add http://radio.example/a --name ''", "--name"),
    ("stream add http://radio.example/a --requires ''", "--requires"),
    ("stream add http://radio.example/a --metadata '{'", "--metadata"),
    ("stream add http://radio.example/a --metadata '[]'", "--metadata"),
    ("""stream add http://radio.example/a --metadata '{"a": NaN}'""", "--metadata"),
    (r"""stream add http://radio.example/a --metadata '{"a": "\u0000"}'""", "--metadata"),
    (r"""stream add http://radio.example/a --metadata '{"a": "\ud800"}'""", "--metadata"),
    (f"stream add http://radio.example/a --metadata {'[' * 100_000}", "--metadata"),
    ("stream import /nowhere/list.m3u", "FILE"),
    ("stream import --format ogg /dev/null", "--format"),
    ("instance show ''", "INSTANCE_ID"),
    (f"instance drain {NOT_UTF8}", "INSTANCE_ID"),
    ("instance drain one --reason ''", "--reason"),
    ("instance undrain ''", "INSTANCE_ID"),
    ("instance remove ''", "INSTANCE_ID"),
    ("instance readmit ''", "INSTANCE_ID"),
    ("instance capacity one many", "MAX_STREAMS"),
    (f"instance capacity one {HUGE}", "MAX_STREAMS"),
    ("instance list --watch=0", "--watch"),
    ("instance list --watch=nan", "--watch"),
    ("rebalance apply 0", "PLAN_ID"),
    (f"rebalance apply {HUGE}", "PLAN_ID"),
    ("rebalance now --reason ''", "--reason"),
    (f"rebalance pause --reason {NOT_UTF8}", "--reason"),
    ("rebalance plan --without ''", "--without"),
    ("rebalance plan --with new", "--with"),
    ("rebalance plan --with new:-1", "--with"),
    ("rebalance plan --with new:1 --with new:2", "--with"),
    ("rebalance plan --capacity one=x", "--capacity"),
    ("event ''", "EVENT_ID"),
    ("event --limit 0", "--limit"),
    ("alerts ack 0", "ALERT_ID"),
    ("alerts ack x", "ALERT_ID"),
    ("alerts deliveries --limit -- -1", "--limit"),
    ("alerts target set ''", "NAME"),
    ("alerts target set ops --severity loud", "--severity"),
    ("alerts target remove ''", "NAME"),
    ("alerts test ''", "NAME"),
    ("jobs run ''", "JOB"),
    ("jobs runs --limit x", "--limit"),
    ("jobs runs --job ''", "--job"),
    ("jobs schedule settle", "SCHEDULE"),
    ("jobs schedule settle ''", "SCHEDULE"),
    ("jobs install-pg-cron --schedule ''", "--schedule"),
    ("settings get ''", "NAME"),
    ("settings set heartbeat_interval ''", "VALUE"),
    ("source add field --column nonsense", "--column"),
    ("source add field --max-removed-part 1.5", "--max-removed-part"),
    ("source add field --max-removed-part nan", "--max-removed-part"),
    ("source add field --interval ''", "--interval"),
    ("source sync --force", "NAME"),
    ("source remove ''", "NAME"),
    ("status --schema Upper", "--schema"),
    ("status --schema ''", "--schema"),
    ("status --dsn ''", "--dsn"),
    ("status --dsn postgresql://u:hush@[broken", "--dsn"),
    ("health --watch soon", "--watch"),
    ("db migrate --patience nan", "--patience"),
    ("db migrate --patience=-1", "--patience"),
    ("metrics --prometheus --json", "--prometheus"),
    ("metrics --prometheus --watch", "--prometheus"),
    ("top --json", "--once"),
    ("top --once --no-inst-info", "--no-inst-info"),
    ("run --log-file /proc/nowhere/log", "--log-file"),
    ("run --name ''", "--name"),
    ("serve --port 0", "--port"),
    ("serve --rate-limit inf", "--rate-limit"),
    ("serve --body-limit 0", "--body-limit"),
    ("serve --patience nan", "--patience"),
    ("serve --allow-host http://radio.example.org", "--allow-host"),
]

WITHOUT_A_DATABASE = [
    ("db roles --login ''", "--login"),
    ("db render --fence-schema X", "--fence-schema"),
    ("db render --schema pg_catalog", "--schema"),
    ("demo --seconds inf", "--seconds"),
    ("demo --workers 1", "--workers"),
    ("completion csh", "{bash|zsh|fish}"),
    ("completion", "{bash|zsh|fish}"),
]


def is_harmless(answer: Answer) -> bool:
    return not set(answer.stdout + answer.stderr) & set(EVIL[:1] + "\u202e\u2066\x9b\x07")


def test_wrong_usage_names_the_parameter_before_anything_is_asked(cli: Cli) -> None:
    for command, parameter in [*BEFORE_CONNECTING, *WITHOUT_A_DATABASE]:
        target = NOWHERE if (command, parameter) in BEFORE_CONNECTING and "--dsn" not in command else ()
        words = shlex.split(command)
        place = words.index("--") if "--" in words else len(words)
        answer = cli(*words[:place], *target, *words[place:])
        assert answer.exit_code == 2, (command[:200], answer)
        assert parameter in answer.stderr, (command[:200], answer.stderr)
        assert "hush" not in answer.stderr


def test_wrong_usage_is_told_in_json_too(cli: Cli) -> None:
    answer = cli("stream", "remove", "x", "--json")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.error.keys() == {"code", "message", "detail", "hint"}
    assert answer.error["code"] == "usage"
    assert answer.error["detail"] == {"parameter": "STREAM_ID"}
    assert cli("nothing", "--json").error["code"] == "usage"
    assert cli("stream", "move", "1", "--json").error["detail"] == {"parameter": "INSTANCE_ID"}


REFUSED: list[tuple[str, str, str]] = [
    # the command, the code, what the detail names
    ("instance capacity one 0", "OR101", "p_max_streams"),
    ("instance capacity -- one -3", "OR101", "p_max_streams"),
    ("instance capacity one 2000000000", "OR101", "p_max_streams"),
    ("stream add ftp://radio.example", "OR101", "p_url"),
    (f"stream add http://radio.example/{'x' * 5000}", "OR101", "p_url"),
    (f"stream add http://radio.example/a --external-id {'x' * 5000}", "OR101", "p_external_id"),
    ("stream list --instance unknown", "OR103", "instance_id"),
    (f"stream explain {2**63 - 1}", "OR102", "stream_id"),
    ("settings set -- heartbeat_interval '-1 s'", "OR108", "heartbeat_interval"),
    ("settings set imbalance_threshold nan", "OR108", "imbalance_threshold"),
    (f"settings set memory_alert {HUGE}", "OR108", "memory_alert"),
    ("settings set strategy chaos", "OR108", "strategy"),
    ("jobs schedule settle '0 seconds'", "OR101", "schedule"),
    ("jobs schedule settle '* * * *'", "OR101", "schedule"),
    ("jobs runs --job nothing", "OR107", "job"),
    ("event ffffffff", "OR107", "event_id"),
    ("source add 'bad name!' --from 'host=x dbname=y'", "OR101", "p_source"),
    ("source add field --from 'host=x' --interval '-1 minute'", "OR101", "p_sync_interval"),
    ("source add field --from 'host=x' --interval soon", "22007", "sync_interval"),
    ("alerts target set 'No Such!'", "OR101", "p_target"),
    ("alerts target remove log", "OR101", "log"),
    (f"rebalance plan --with new:{HUGE}", "OR101", "p_with"),
    ("rebalance plan --with one:5", "OR101", "p_with"),
    ("rebalance plan --capacity one=0", "OR101", "p_capacity"),
    ("rebalance plan --capacity unknown=5", "OR103", "instance_id"),
]


def test_what_only_the_database_can_know_it_refuses_with_the_name_of_the_argument(cli: Cli, fleet: Fleet) -> None:
    for command, code, named in REFUSED:
        words = shlex.split(command)
        place = words.index("--") if "--" in words else len(words)
        answer = cli(*words[:place], "--json", *words[place:])
        assert (answer.exit_code, answer.error["code"]) == (1, code), (command, answer)
        assert named in str(answer.error["detail"]), (command, answer.error)


EVIL_NAMES = (
    "{}",
    "status --{}",
    "stream remove {}",
    "stream list --state {}",
    "stream list --instance {}",
    "stream move 1 {}",
    "stream import /nowhere/{}",
    "stream import --source {} --format m3u /dev/null",
    "instance show {}",
    "instance drain {}",
    "rebalance plan --without {}",
    "rebalance plan --with {}:5",
    "alerts {}",
    "alerts test {}",
    "alerts target set {}",
    "event {}",
    "jobs run {}",
    "jobs runs --job {}",
    "jobs schedule settle {}",
    "settings get {}",
    "settings set {} 1",
    "settings set heartbeat_interval {}",
    "source add {} --from host=x",
    "source sync {}",
    "status --schema {}",
    "status --dsn {}",
    "status --dsn host=/{}",
)


@pytest.mark.parametrize("as_json", [False, True])
def test_no_refusal_repeats_what_a_terminal_obeys(cli: Cli, fleet: Fleet, as_json: bool) -> None:
    for command in EVIL_NAMES:
        words = [word.format(EVIL) for word in command.split()]
        answer = cli(*words, *(["--json"] if as_json else []))
        assert answer.exit_code in (1, 2, 75), (command, answer)
        assert is_harmless(answer), (command, answer)


def test_no_list_shows_what_a_terminal_obeys(cli: Cli, fleet: Fleet, database: Database) -> None:
    """In tables on a pipe and on a terminal, live or not; in JSON; in what shells are offered."""
    [stream_id] = fleet.add_streams(1)
    added = cli("stream", "add", "http://radio.example/a", "--name", EVIL, "--region", EVIL, "--json").json["stream_id"]
    cli("stream", "add", "http://radio.example/b", "--requires", EVIL)
    cli("rebalance", "pause", "--reason", EVIL)
    cli("source", "add", "field", "--from", "host=x", "--table", EVIL)
    fleet.register("three", version=EVIL, location=EVIL)
    fleet.open_alert(EVIL, EVIL)
    commands = (
        *("status", "diagnose", "health", "alerts", "stream list", "instance list", "instance show three"),
        *(f"stream explain {added}", f"stream explain {added + 1}", "source list", "rebalance resume"),
    )
    for command in commands:
        for more in ([], ["--json"]):
            answer = cli(*command.split(), *more)
            assert is_harmless(answer), (command, answer)
    target = ("--dsn", database.dsn, "--schema", database.names.api)
    for arguments in (["stream", "list"], ["stream", "list", "--watch"], ["alerts", "--watch"]):
        with terminal(*arguments, *target, width=150) as shown:
            shown.read_until("live\\u2066")
            shown.interrupt()
        assert "\u202e" not in shown.shown and "\x1b[2J\\" not in shown.shown
    words = ["orchestrator", "stream", "explain", *target]
    asked = {"COMP_WORDS": f"{shlex.join(words)} ", "COMP_CWORD": str(len(words))}
    with terminal(more={"_ORCHESTRATOR_COMPLETE": "zsh_complete", **asked}) as offered:
        offered.end()
    assert str(stream_id) in offered.text
    assert "live" in offered.text and "\u202e" not in offered.shown and "\x1b" not in offered.shown
