"""The JSON of every command has the keys that are on file."""

import json

from tests.cli.conftest import Cli, Fleet
from tests.cli.keys import FILE, WITHOUT_JSON, answers, commands
from tests.support import Database


def test_the_json_of_every_command_has_the_keys_on_file(cli: Cli, fleet: Fleet, database: Database) -> None:
    told = answers(cli, fleet, database.dsn)

    assert told == json.loads(FILE.read_text()), "run 'make snapshot' and look at the difference: programs read these"
    assert set(commands()) - told.keys() - WITHOUT_JSON.keys() == set(), "run them too, in tests/cli/keys.py"
