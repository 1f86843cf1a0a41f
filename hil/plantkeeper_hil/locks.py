"""Locks between processes: the kernel's `flock`, which a process that dies lets go of, and a record of who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from plantkeeper_hil.errors import HilError


class LockedError(HilError):
    """Somebody else holds what is asked for."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Args:
        pid: of the process that holds it.
        reason: what for, in words.
        since_s: wall clock, seconds since 1970.
    """

    pid: int
    reason: str
    since_s: float

    def describe(self, now_s: float) -> str:
        """In words, with how long it has been held."""
        return f"process {self.pid} ({self.reason}), for {max(0.0, now_s - self.since_s):.0f} s"


@dataclass(frozen=True)
class LockState:
    """What a lock's file tells.

    Args:
        held: whether a process has the kernel's lock.
        holder: the record, which may be from a process that died (stale) where `held` is false.
    """

    held: bool
    holder: Holder | None


class Lock:
    """One lock, held from `acquire` until `release` or this process's end.

    The file stays behind when the lock is let go of: removing it would let two processes lock two files of one name.

    Args:
        path: its file; made where it is missing.
        what: what it guards, for messages.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self._descriptor: int | None = None

    def acquire(self, reason: str, *, now_s: float | None = None) -> None:
        """Take it.

        Raises:
            LockedError: another process holds it; names it. Also where the file cannot be locked at all.
        """
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            holder = self.state().holder
            by = holder.describe(time.time()) if holder else "another process"
            raise LockedError(f"{self.what} is held by {by}; wait for it or end it") from None
        except OSError as error:
            os.close(descriptor)
            raise LockedError(f"{self.what}: {self.path} cannot be locked ({error}); put it on a local disk") from error
        record = Holder(os.getpid(), reason, time.time() if now_s is None else now_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(record)).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it, if it is held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def state(self) -> LockState:
        """Who holds it, or held it last; asking takes the lock from nobody."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return LockState(held=False, holder=None)
        try:
            holder = _parse(os.pread(descriptor, 4096, 0))
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return LockState(held=True, holder=holder)
            return LockState(held=False, holder=holder)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # a file that is there is opened without O_CREAT, which /tmp's fs.protected_regular refuses to others
            with contextlib.suppress(FileNotFoundError):
                return os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            os.fchmod(descriptor, 0o666)  # for all users of this machine, whatever the umask
        except OSError as error:
            raise LockedError(f"{self.what}: no lock file {self.path} ({error}); make its folder writable") from error
        return descriptor


def _parse(content: bytes) -> Holder | None:
    try:
        record = json.loads(content)
        return Holder(int(record["pid"]), str(record["reason"]), float(record["since_s"]))
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process is in a block of this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
