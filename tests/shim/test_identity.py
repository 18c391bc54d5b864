"""One process is one process, also when several were made of one that had its Worker already; and where it runs."""

import asyncio
import multiprocessing
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.shim.support import Fleet, until
from worker_shim import Context, Refused, Stream, Worker, identity
from worker_shim.identity import Identity, machine

FORK = multiprocessing.get_context("fork")


def _work(worker: Worker, refusals: Path) -> None:
    try:
        worker.run()
    except Refused as error:
        with refusals.open("a") as file:
            file.write(f"{error.code}\n")


async def test_two_children_of_a_process_that_made_its_worker_are_two_processes(fleet: Fleet, tmp_path: Path) -> None:
    heard, refusals = tmp_path / "heard", tmp_path / "refusals"
    fleet.add_streams(4)

    async def listen(stream: Stream, context: Context) -> None:
        while True:
            if context.valid:
                with heard.open("a") as file:
                    file.write(f"{os.getpid()} {stream.stream_id}\n")
            await asyncio.sleep(0.02)

    worker = Worker(fleet.dsn, "fv-1", 10, listen, schema=fleet.names.api, on_exit="leave")
    children = [FORK.Process(target=_work, args=(worker, refusals)) for _ in range(2)]
    try:
        for child in children:
            child.start()
        await fleet.until(refusals.exists, "one of them is refused")
        await fleet.until(lambda: heard.exists() and len(set(heard.read_text().splitlines())) == 4, "four are heard")
        await until(lambda: sum(child.is_alive() for child in children) == 1, "the other one is gone")
        await asyncio.sleep(1)  # many beats of what would be a quarrel
    finally:
        for child in children:
            child.kill()
            child.join()
    assert refusals.read_text() == "OR104\n"
    assert len({line.split()[0] for line in heard.read_text().splitlines()}) == 1, "one process hears them all"


def test_what_registers_again_is_the_same_process() -> None:
    identity = Identity()
    assert identity.as_metadata() == identity.as_metadata()
    assert identity.as_metadata()["process"] != Identity().as_metadata()["process"]


@pytest.mark.parametrize("key", ["host", "pid"])
async def test_a_program_may_say_itself_where_it_runs(fleet: Fleet, key: str) -> None:
    """In a container it knows better."""
    worker = Worker(fleet.dsn, "fv-1", 10, _never, schema=fleet.names.api, metadata={key: "elsewhere"})
    task = asyncio.create_task(worker.run_async())
    await until(lambda: worker.is_registered, "it is registered")
    [row] = fleet.query("select metadata from {private}.instance")
    worker.stop("leave")
    await task
    assert row["metadata"][key] == "elsewhere"


@pytest.mark.parametrize(
    ("options", "variable", "host"),
    [
        ({"host": "rack-7"}, "rack-8", "rack-7"),
        ({"host": "rack-7", "metadata": {"host": "elsewhere"}}, None, "rack-7"),
        ({}, "rack-8", "rack-8"),
    ],
)
async def test_the_host_is_told_as_it_was_given(
    fleet: Fleet, options: dict[str, Any], variable: str | None, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv("WORKER_HOST", variable)
    async with fleet.work("fv-1", _never, make_before_break=True, standbys=True, **options) as worker:
        await until(lambda: worker.is_registered, "it is registered")
        metadata = fleet.instance("fv-1")["metadata"]
    assert (metadata["host"], metadata["standbys"]) == (host, True)


async def test_a_worker_without_standbys_says_nothing_of_them(fleet: Fleet) -> None:
    async with fleet.work("fv-1", _never, make_before_break=True) as worker:
        await until(lambda: worker.is_registered, "it is registered")
        assert "standbys" not in fleet.instance("fv-1")["metadata"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine without any sign of a container; what is put in here its kernel says."""
    said: dict[str, str] = {
        "/proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n24 22 0:22 / /etc rw - ext4 x rw\n"
    }
    said["/proc/self/cgroup"] = "0::/system.slice/worker-shim@fv-1.service\n"
    monkeypatch.setattr(identity, "CONTAINER_FILES", ())
    monkeypatch.setattr(identity, "_read", lambda path: said.get(path, ""))
    for name in ("WORKER_HOST", *identity.CONTAINER_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    return said


def test_a_machine_goes_by_its_own_name(bare: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine() == {"host": socket.gethostname()}
    monkeypatch.setenv("WORKER_HOST", " ")
    assert machine() == {"host": socket.gethostname()}
    monkeypatch.setenv("WORKER_HOST", "rack-7")
    assert machine() == {"host": "rack-7"}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/proc/self/cgroup", "4:memory:/docker/3f4c\n"),
        ("/proc/self/cgroup", "1:name=systemd:/kubepods.slice/kubepods-burstable.slice/cri-containerd-9a.scope\n"),
        ("/proc/self/cgroup", "0::/machine.slice/libpod-77.scope\n"),
        ("/proc/self/mountinfo", "612 598 8:1 /var/lib/nerdctl/1/etc/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"),
        ("/proc/self/mountinfo", "613 598 8:1 /var/lib/kubelet/pods/5/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("container", "podman"),
        (".dockerenv", ""),
    ],
)
def test_a_container_does_not_know_its_host_unless_it_is_told(
    path: str, line: str, bare: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two containers of one machine are not on two machines; that the host is unknown is a finding."""
    if path.startswith("/"):
        bare[path] += line
    elif path.startswith("."):
        (tmp_path / path).touch()
        monkeypatch.setattr(identity, "CONTAINER_FILES", ("/nowhere", str(tmp_path / path)))
    else:
        monkeypatch.setenv(path, line)
    assert machine() == {"host": None, "container": socket.gethostname()}
    monkeypatch.setenv("WORKER_HOST", "rack-7")
    assert machine() == {"host": "rack-7"}


async def _never(stream: Stream, context: Context) -> None:
    await asyncio.Event().wait()
