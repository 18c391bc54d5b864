"""The help texts are those that were last looked at."""

from tests.cli.golden import DIRECTORY, help_texts


def test_the_help_of_every_command_is_the_one_on_file() -> None:
    on_file = {path.name: path.read_text() for path in DIRECTORY.glob("*.txt")}

    assert help_texts() == on_file, "run 'make snapshot' and look at the difference"


# Three print text and need no database; the demo brings its own.
WITHOUT_A_DATABASE = {
    "orchestrator-completion.txt",
    "orchestrator-db-render.txt",
    "orchestrator-db-roles.txt",
    "orchestrator-demo.txt",
}


def test_every_command_answers_json_and_takes_a_dsn_and_a_schema() -> None:
    for name, text in help_texts().items():
        is_group = "COMMAND [ARGS]..." in text
        if name.startswith("orchestrator") and not is_group and name not in WITHOUT_A_DATABASE:
            assert all(option in text for option in ("--json", "--dsn", "--schema")), name
