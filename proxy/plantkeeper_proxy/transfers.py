"""libcurl's transfers within an event loop: many at once, in one thread, through its multi-socket interface.

Why not pycurl's own `AsyncCurlMulti`: it has the loop take up and drop a socket, and set and cancel a timer, several
times a message, which costs as much as libcurl itself (docs/decisions/0007-forwarding.md). Here an epoll of its own
holds libcurl's sockets, so that the loop sees one descriptor; and one timer serves, which may come too early and then
finds nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import Callable

import pycurl

EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
BROKEN = select.EPOLLERR | select.EPOLLHUP
Done = Callable[[pycurl.error | None], None]
log = logging.getLogger(__name__)


class Transfers:
    """Transfers that are under way. To be made, used and closed within one event loop.

    Args:
        connections: kept at most, once their transfer is over.
    """

    def __init__(self, connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[pycurl.Curl, Done] = {}
        self._sockets = select.epoll()
        self._watched: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = self._due_s = float("inf")
        self._kicked = self._closed = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._wait)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._loop.add_reader(self._sockets.fileno(), self._sockets_ready)

    def start(self, curl: pycurl.Curl, done: Done) -> None:
        """Begin a transfer, as soon as the loop comes to it.

        Args:
            curl: what to do; not to be touched until `done`.
            done: called in the event loop at the end, with what failed or None.
        """
        self._multi.add_handle(curl)
        self._under_way[curl] = done

    def close(self) -> None:
        """Break off what is under way, without a word to whoever waits for it, and close all connections."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sockets.fileno())
        if self._timer is not None:
            self._timer.cancel()
        for curl in self._under_way:
            self._multi.remove_handle(curl)
        self._under_way.clear()
        self._multi.close()
        self._sockets.close()

    # ---- what libcurl asks for; none of these may call it back ---------------------------------------------------

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        """Wait for a socket, or no longer."""
        events = EVENTS.get(what, 0)
        before = self._watched.get(fd, 0)
        if events == before:
            return
        if not events:
            del self._watched[fd]
            self._sockets.unregister(fd)
            return
        self._watched[fd] = events
        if before:
            self._sockets.modify(fd, events)
        else:
            self._sockets.register(fd, events)

    def _wait(self, timeout_ms: int) -> None:
        """Call libcurl after so long, if no socket comes before; -1: never."""
        if timeout_ms < 0 or self._closed:
            self._due_s = float("inf")
            return
        now_s = self._loop.time()
        self._due_s = now_s + timeout_ms / 1000
        if timeout_ms == 0:
            if not self._kicked:
                self._kicked = True
                self._loop.call_soon(self._kick)
        elif self._due_s < self._timer_at_s:
            self._set_timer(now_s)

    # ---- when something has come ---------------------------------------------------------------------------------

    def _set_timer(self, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = self._due_s
        self._timer = self._loop.call_later(self._due_s - now_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer, self._timer_at_s = None, float("inf")
        now_s = self._loop.time()
        if self._due_s > now_s:  # libcurl has thought of a later time since
            if self._due_s < float("inf"):
                self._set_timer(now_s)
            return
        self._kick()

    def _kick(self) -> None:
        self._kicked = False
        if not self._closed:
            self._due_s = float("inf")
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._end()

    def _sockets_ready(self) -> None:
        for fd, events in self._sockets.poll(0):
            mask = pycurl.CSELECT_IN if events & (select.EPOLLIN | BROKEN) else 0
            if events & (select.EPOLLOUT | BROKEN):
                mask |= pycurl.CSELECT_OUT
            if fd in self._watched:  # another socket's turn may have ended this one
                self._multi.socket_action(fd, mask)
        self._end()

    def _end(self) -> None:
        """Tell of the transfers that are over."""
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            ended: list[tuple[pycurl.Curl, pycurl.error | None]] = [(curl, None) for curl in succeeded]
            ended += [(curl, pycurl.error(code, words)) for curl, code, words in failed]
            for curl, error in ended:
                self._multi.remove_handle(curl)
                try:
                    self._under_way.pop(curl)(error)
                except Exception:  # one transfer's trouble is no other's
                    log.exception("at the end of a transfer")
