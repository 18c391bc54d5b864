"""The SQLSTATEs that the SQL raises and the exceptions that Python has for them are the same list."""

import re

from orchestrator import errors, templates

# OR001 never leaves the function that raises it to undo its own work.
_RAISED = re.compile(r"errcode\s*=\s*'(OR[1-9]\d\d)'")


def test_every_code_that_is_raised_has_its_exception_and_no_exception_is_without_a_code() -> None:
    raised = {code for path in templates.SQL_ROOT.rglob("*.sql") for code in _RAISED.findall(path.read_text())}
    assert raised == {code for code in errors.type_by_code if code.startswith("OR")}


def test_a_code_of_a_known_class_that_this_program_does_not_know_yet_keeps_its_class() -> None:
    assert errors.class_of("OR199") is errors.CallerMistake
    assert errors.class_of("OR299") is errors.Contention
    assert errors.class_of("22023") is errors.DatabaseError
