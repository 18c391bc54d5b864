"""A PostgreSQL server whose clock steps when a test says so, while time goes on.

A small library is loaded before the server's own code and adds an offset to what the wall clock says; the steady clocks
stay as they are. The offset lies in a file that every process of the server has mapped.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_seconds;

__attribute__((constructor)) static void map_offset(void) {
    int file = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) offset_seconds = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (offset_seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_seconds;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

time_t time(time_t *out) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (out) *out = precise.tv_sec;
    return precise.tv_sec;
}
"""


class SteppingClock:
    """The wall clock of every server that is started `with clock.loaded()`."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            if os.environ.get("CI") == "true":
                raise AssertionError("there is no C compiler")
            pytest.skip("there is no C compiler")
        source = directory / "stepping_clock.c"
        source.write_text(SOURCE)
        self._library = directory / "stepping_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", self._library, source], check=True)
        self._file = directory / "offset"
        self._file.write_bytes(struct.pack("=q", 0))
        for path in (self._library, self._file):
            path.chmod(0o644)

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """What is started meanwhile goes by this clock."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLOCK_OFFSET_FILE", str(self._file))
            patch.setenv("LD_PRELOAD", str(self._library))
            yield

    def step(self, seconds: int) -> None:
        """Forward, or with less than nothing back."""
        with self._file.open("r+b") as file:
            (offset,) = struct.unpack("=q", file.read(8))
            file.seek(0)
            file.write(struct.pack("=q", offset + seconds))
