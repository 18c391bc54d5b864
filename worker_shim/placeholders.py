"""What stands in a program's command line for its stream, and where it may not stand: in the text of a program.

A name or an address is data, and whoever writes it into the source's table should not be able to run anything. As an
argument of its own it is data to every program. Within the command of a shell, or the program of any interpreter, it is
a piece of that program: `sh -c 'ffmpeg -i {url}'` runs the $(…) of an address.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

PLACEHOLDERS = {"{url}": "STREAM_URL", "{stream_id}": "STREAM_ID", "{epoch}": "STREAM_EPOCH", "{name}": "STREAM_NAME"}
"""Each with the variable of the environment that holds the same."""

_SHELL = r"-[a-z]*c[a-z]*|--command"


class _Interpreter(NamedTuple):
    name: str
    text: str  # options that are followed by the text of a program, as their "=", their next or their own letters
    valued: str | None = None  # options with another value; a word that is none is a script, and the rest is its own


_INTERPRETERS = [
    _Interpreter(
        r"(r|rb|b|d|y)?a?sh|[ckz]sh|[mpo]ksh|l?ksh93|tcsh|fish|xonsh|pwsh|nu|elvish",
        _SHELL + r"|-Command",
        r"[-+][a-z]*[oO]|--rcfile|--init-file",
    ),
    _Interpreter(r"su|runuser|sg|script|flock|expect", _SHELL),
    _Interpreter(r"env", r"-[a-z]*S|--split-string"),
    _Interpreter(r"(python|pypy)[0-9.]*", r"-[a-zA-Z]*c", r"-[a-zA-Z]*[WX]"),
    _Interpreter(r"(perl|raku)[0-9.]*", r"-[a-zA-Z0-9]*[eE]", r"-I"),
    _Interpreter(r"(ruby|lua|luajit|Rscript|osascript)[0-9.]*", r"-[a-z]*e", r"-[rIClK]"),
    _Interpreter(r"node(js)?|bun|deno", r"-[a-z]*[ep]|--eval|--print|eval", r"-r|--require|--import|--loader"),
    _Interpreter(r"php[0-9.]*", r"-[rBRE]|--run|--process-(begin|code|end)", r"-[cdz]"),
    _Interpreter(r"[gmn]?awk|sed|gsed", r"-[a-zA-Z]*e|--expression|--source"),
    _Interpreter(r"psql|mysql|mariadb", r"-[a-z]*[ce]|--command|--execute"),
]
_FIRST_IS_TEXT = re.compile(r"[gmn]?awk|g?sed")
"""Their first argument is a program, unless an option names its file."""
_VALUED = {"-v", "-F"}  # options of these with another value
_ALL_IS_TEXT = re.compile(r"ssh|slogin|rsh|remsh|mosh|dbclient|eval|watch|parallel|tmux|screen|wsl|sqlite3|duckdb")
"""They hand all their arguments to a shell, or can."""
_WRAPPER = re.compile(
    r"nice|ionice|timeout|nohup|setsid|stdbuf|xargs|env|sudo|doas|time|chrt|taskset|numactl|strace|ltrace|unshare|nsenter"
    r"|chroot|setpriv|capsh|systemd-run|docker|podman|nerdctl|kubectl|lxc|flock|script|su|runuser|busybox|toybox|find|exec"
    r"|command|unbuffer|firejail|bwrap|tini|dumb-init|gosu|su-exec|runcon|cgexec|prlimit|proxychains4?|torsocks|sshpass"
)
"""They run what is named behind them."""
_ADDRESS_IS_TEXT = re.compile(r"(system|exec|shell):", re.IGNORECASE)  # socat


def split(command: str) -> list[str]:
    """The words of a command line, as a shell would split it.

    Raises:
        ValueError: there is none, a quote is open, or a placeholder would become a part of a program.
    """
    words = shlex.split(command)
    if not words:
        raise ValueError("the command is empty")
    for word in (words[0], *_program_texts(words)):
        for placeholder, variable in PLACEHOLDERS.items():
            if placeholder in word:
                raise ValueError(
                    f"{placeholder} would be a part of a program, and what is in it would run: {_shown(word)!r};"
                    f' let it read "${variable}" from its environment,'
                    f" or give {placeholder} as an argument of its own"
                )
    return words


def fill(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The words with the values in them, each still one word.

    Raises:
        ValueError: a word would become an option of the program.
    """
    filled = [_fill(word, values) for word in words]
    for word, result in zip(words, filled, strict=True):
        if result.startswith("-") and not word.startswith("-"):
            raise ValueError(f'{word} begins with "-" and would be an option: give it as --option={word}')
    return filled


def _fill(word: str, values: Mapping[str, str]) -> str:
    # in one pass, so that a URL which contains "{name}" stays as it is
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], word)


def _program_texts(words: Sequence[str]) -> Iterator[str]:
    """All that is, or may be, the text of a program."""
    is_wrapped = _WRAPPER.fullmatch(_name(words[0])) is not None
    for place, word in enumerate(words):
        name, arguments = _name(word), words[place + 1 :]
        may_run = place == 0 or is_wrapped  # else a word such as "watch" is a word
        if may_run and _ALL_IS_TEXT.fullmatch(name):
            yield from arguments
        if _ADDRESS_IS_TEXT.match(word):
            yield word
        if may_run and _FIRST_IS_TEXT.fullmatch(name) and not {"-f", "--file"} & set(arguments):
            plain = (
                each
                for before, each in pairwise((name, *arguments))
                if not each.startswith("-") and before not in _VALUED
            )
            yield next(plain, "")
        for interpreter in _INTERPRETERS:
            if re.fullmatch(interpreter.name, name):
                yield from _texts_of(arguments, interpreter)


def _texts_of(arguments: Sequence[str], interpreter: _Interpreter) -> Iterator[str]:
    takes_text = takes_value = False
    for argument in arguments:
        if re.fullmatch(interpreter.text, argument):
            takes_text = True
        elif argument.startswith(("-", "+")) and len(argument) > 1:
            if found := re.match(interpreter.text, argument):
                yield argument[len(found[0]) :]
            takes_value = interpreter.valued is not None and re.fullmatch(interpreter.valued, argument) is not None
        elif takes_text:
            yield argument
            takes_text = False
        elif interpreter.valued is not None and not takes_value:
            return
        else:
            takes_value = False


def _name(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def _shown(word: str) -> str:
    return word if len(word) <= 100 else f"{word[:100]}…"
