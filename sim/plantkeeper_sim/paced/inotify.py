"""Who opened and closed a file, in order: Linux's inotify(7). It misses nothing, however short it was."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

from cffi import FFI

EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name (inotify(7))
OPENED, CLOSED_AFTER_WRITING, CLOSED = 0x20, 0x08, 0x10  # IN_OPEN, IN_CLOSE_WRITE, IN_CLOSE_NOWRITE


class OpenWatch:
    """Watches one file.

    Args:
        path: the file; it must be there.

    Raises:
        OSError: the kernel refuses.
    """

    def __init__(self, path: str) -> None:
        ffi = FFI()
        ffi.cdef("int inotify_init1(int flags); int inotify_add_watch(int fd, const char *path, uint32_t mask);")
        libc: Any = ffi.dlopen(None)
        self.descriptor = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self.descriptor < 0:
            raise OSError(ffi.errno, os.strerror(ffi.errno), "inotify")
        if libc.inotify_add_watch(self.descriptor, path.encode(), OPENED | CLOSED_AFTER_WRITING | CLOSED) < 0:
            error = ffi.errno
            self.close()
            raise OSError(error, os.strerror(error), path)

    def events(self) -> Iterator[bool]:
        """What happened since the last call: True for an opening, False for a closing."""
        try:
            data = os.read(self.descriptor, 4096)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            _, mask, _, name_bytes = EVENT.unpack_from(data, at)
            at += EVENT.size + name_bytes
            if mask & (OPENED | CLOSED_AFTER_WRITING | CLOSED):
                yield bool(mask & OPENED)

    def close(self) -> None:
        """Watch no more."""
        os.close(self.descriptor)
