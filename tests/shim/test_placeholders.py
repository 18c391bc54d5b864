"""What may stand where in the command line of a program per stream."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.shim.support import until
from worker_shim import Context, Stream
from worker_shim.cli import main
from worker_shim.context import Counts
from worker_shim.handlers import ProgramEnded, program
from worker_shim.placeholders import PLACEHOLDERS, fill, split
from worker_shim.vitals import Progress

SHELLS = (
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "ksh",
    "mksh",
    "fish",
    "csh",
    "tcsh",
    "rbash",
    "/bin/sh",
    "/usr/bin/env sh",
)
WRAPPERS = (
    *("nice", "nice -n 5", "timeout -k 5 600", "nohup", "setsid -w", "stdbuf -oL", "xargs -0", "env A=b", "env -i"),
    *("sudo -u me", "busybox", "docker exec -i c", "flock /run/x", "find / -exec", "a-wrapper-of-theirs --quiet"),
)
REFUSED = [
    *(f"{shell} -c 'listen {{}}'" for shell in SHELLS),
    *(f"{wrapper} sh -c 'listen {{}}'" for wrapper in WRAPPERS),
    *(f"bash {option} 'listen {{}}'" for option in ("-lc", "-ec", "-exc", "-c --", "-e -c", "-o pipefail -c", "+x -c")),
    "bash --rcfile /etc/x -c 'listen {}'",
    "sh -c {}",
    "sh -c 'listen \"{}\"'",
    "sh -c 'echo $0' -c {}",
    "ssh host 'listen {}'",
    "ssh -i key host listen {}",
    "sshpass -e ssh host listen {}",
    "eval listen {}",
    "watch listen {}",
    "su - me -c 'listen {}'",
    "su --command='listen {}' me",
    "script -qc 'listen {}' /dev/null",
    "flock /run/x -c 'listen {}'",
    "env -S 'listen {}'",
    "env --split-string='listen {}'",
    "python -c 'listen(\"{}\")'",
    "/usr/bin/python3.12 -uc 'listen(\"{}\")'",
    "python3 -W ignore -c 'listen(\"{}\")'",
    "python3 '-clisten(\"{}\")'",
    "perl -e 'listen \"{}\"'",
    "perl -lane 'listen \"{}\"'",
    "ruby -e 'listen \"{}\"'",
    "ruby -r json -e 'listen \"{}\"'",
    "node -e 'listen(\"{}\")'",
    "node --eval='listen(\"{}\")'",
    "deno eval 'listen(\"{}\")'",
    "php -r 'listen(\"{}\");'",
    "lua -e 'listen(\"{}\")'",
    "awk '{{ print \"{}\" }}' file",
    "gawk -v a=b '/{}/' file",
    "awk -e '/{}/' file",
    "sed -i 's/x/{}/' file",
    "sed 's/x/{}/e' file",
    "sed -ne 's/x/{}/p' file",
    "nice awk '/{}/' file",
    "psql -c \"select '{}'\"",
    "sqlite3 music.db \"select '{}'\"",
    "socat - 'system:listen {}'",
    "{} listen",
    "/opt/{}",
]
ALLOWED = [
    "listen {}",
    "listen --url={} --then sh",
    "listen a-{}-b",
    "listen '--title=Radio {}'",
    "sh -c 'exec listen \"$1\"' sh {}",
    "bash -lc 'listen \"$@\"' -- {}",
    "sh listen.sh {}",
    "sh ./listen.sh -c {}",
    "bash -e listen.sh {}",
    "python -c 'import listen' {}",
    "python listen.py -c {}",
    "python -u -m listen -c {}",
    "perl listen.pl -e {}",
    "node listen.js --eval {}",
    "timeout 600 listen {}",
    "listen watch {}",
    "ffmpeg -i {} -f null -",
    "docker run --rm listener {}",
    "env STATION={} listen",
    "awk -f listen.awk {}",
]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("command", REFUSED)
def test_a_placeholder_within_the_text_of_a_program_is_refused_with_the_variable_to_read(
    command: str, placeholder: str
) -> None:
    with pytest.raises(ValueError) as refused:
        split(command.replace("{}", placeholder).replace("{{", "{").replace("}}", "}"))
    assert placeholder in str(refused.value) and f'"${PLACEHOLDERS[placeholder]}"' in str(refused.value)


@pytest.mark.parametrize("command", ALLOWED)
def test_a_placeholder_that_is_data_to_its_program_is_not(command: str) -> None:
    assert any("{url}" in word for word in split(command.replace("{}", "{url}")))


@pytest.mark.parametrize("text", ['listen "$STREAM_URL"', "echo $STREAM_NAME $STREAM_ID $STREAM_EPOCH"])
def test_a_shell_may_read_the_variables(text: str) -> None:
    assert split(f"sh -c '{text}'") == ["sh", "-c", text]


def test_the_command_line_says_so_with_status_2() -> None:
    arguments = ["run", "--instance-id", "a", "--max-streams", "5", "--exec", "sh -c 'listen {url}'"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and '"$STREAM_URL"' in result.output and "Traceback" not in result.output


async def test_what_an_address_says_between_brackets_is_not_run_by_the_shell_that_reads_the_variable(
    tmp_path: Path,
) -> None:
    out, ran = tmp_path / "out", tmp_path / "ran"
    url = f"http://station.example/$(touch {ran})`touch {ran}`"
    stream = Stream(1, 1, f"; touch {ran}", url, {})
    command = f"sh -c 'printf %s \"$STREAM_URL $1\" > {out}; sleep 9' sh {{name}}"
    running = asyncio.ensure_future(program(command, 1)(stream, _context(stream)))
    await until(lambda: out.exists() and out.read_text() == f"{url} {stream.name}")
    running.cancel()
    await asyncio.wait((running,))
    assert not ran.exists()


@pytest.mark.parametrize(("word", "allowed"), [("{name}", False), ("{name}.wav", False), ("--name={name}", True)])
async def test_no_name_becomes_an_option(word: str, allowed: bool) -> None:
    values = {"{name}": "-rf", "{url}": "http://station.example/"}
    if allowed:
        assert fill([word], values) == ["--name=-rf"]
        return
    with pytest.raises(ValueError, match="would be an option"):
        fill([word], values)


async def test_a_program_that_ends_badly_says_how_and_one_that_ends_well_says_nothing() -> None:
    stream = Stream(1, 1, "Radio 1", "http://station.example/", {})
    await program("true", 1)(stream, _context(stream))
    with pytest.raises(ProgramEnded, match="exit status 1"):
        await program("false", 1)(stream, _context(stream))


def _context(stream: Stream) -> Context:
    async def is_current(stream: Stream) -> bool:
        return True

    return Context(stream, Counts(), Progress(), is_current, lambda: True)
