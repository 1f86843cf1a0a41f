"""A paced board in a process of its own, for tests and the harness.

with BoardProcess.start(folder, firmware=elf, device_id=7) as board:
    serial.Serial(str(board.port), 115200)  # resets it, as opening an Uno's port does
    board.unplug()
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Any, Self

from plantkeeper_sim.errors import PortError

START_S, ANSWER_S, END_S = 30.0, 15.0, 10.0


class BoardProcess:
    """Handle of a running `plantkeeper-board`; a context manager that ends it.

    Args:
        process: started with --control, pipes on all three.
        port: the link that names its port; it stays the same when the board is plugged in again.
    """

    def __init__(self, process: subprocess.Popen[str], port: Path) -> None:
        self.port = port
        self.events: list[str] = []
        self._process = process
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_answers, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        firmware: Path | None = None,
        device_id: int = 1,
        seed: int = 1,
        period_s: int = 300,
        routes: Sequence[tuple[tuple[str, int], tuple[str, int]]] = (),
        options: Sequence[str] = (),
    ) -> Self:
        """Start a board and wait until its port is there.

        Args:
            folder: a folder of its own; the port is `folder/port`.
            firmware: application in its flash; None: erased, only the bootloader answers.
            device_id, seed, period_s: as of `UnoBoard` and `BoardConfig`.
            routes: ((address, port) that the board calls, (host, port) where it ends up).
            options: more words for `plantkeeper-board`, such as `--state`, `--native-usb`.

        Raises:
            PortError: it ended, or its port did not come; the message has what it said.
        """
        folder.mkdir(parents=True, exist_ok=True)
        port = folder / "port"
        words = ["--control", "--link", str(port), "--device-id", str(device_id), "--seed", str(seed)]
        words += ["--period-s", str(period_s), *(["--firmware", str(firmware)] if firmware else [])]
        for (address, number), (host, to) in routes:
            words += ["--map", f"{address}:{number}={host}:{to}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "plantkeeper_sim.paced", *words, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        board = cls(process, port)
        try:
            board._answer(START_S)
        except BaseException:
            board.close()
            raise
        return board

    # ---- what can be done to it -------------------------------------------------------------------------------

    def reset(self) -> None:
        """Press its reset button."""
        self._ask("reset")

    def power_cycle(self) -> None:
        """A power-on reset, the port staying."""
        self._ask("power-cycle")

    def unplug(self) -> None:
        """Pull its cable: the port is gone, who has it open finds it hung up."""
        self._ask("unplug")

    def plug(self) -> None:
        """Plug it in again: a new port under the same link, a power-on reset."""
        self._ask("plug")

    def babble(self, *, on: bool) -> None:
        """Let it send garbage instead of what the firmware says."""
        self._ask("babble on" if on else "babble off")

    def half_flash(self) -> None:
        """Leave in its flash what an upload leaves that broke off in the middle."""
        self._ask("half-flash")

    def status(self) -> dict[str, Any]:
        """port, in_use, baud, resets, crash (why it stands still, or None), time_s."""
        return self._ask("status")

    # ---- the process --------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def close(self) -> None:
        """End it; harmless when it has ended."""
        with self._process:  # closes the pipes: the board ends with its input
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
            for reader in self._readers:
                reader.join(END_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, command: str) -> dict[str, Any]:
        with self._turn:  # each its own answer, whichever thread asks
            if self._process.stdin is None or self._process.poll() is not None:
                raise self._ended(command)
            try:
                self._process.stdin.write(command + "\n")
                self._process.stdin.flush()
            except OSError as error:
                raise self._ended(command) from error
            return self._answer(ANSWER_S, command)

    def _answer(self, within_s: float, command: str = "start") -> dict[str, Any]:
        deadline_s = monotonic() + within_s
        try:
            answer = self._answers.get(timeout=max(0.0, deadline_s - monotonic()))
        except queue.Empty:
            raise PortError(f"board at {self.port}: no answer to {command!r} within {within_s} s") from None
        if answer is None:
            raise self._ended(command)
        if "error" in answer:
            raise PortError(f"board at {self.port}: {command!r} failed: {answer['error']}")
        return answer

    def _ended(self, command: str) -> PortError:
        self._process.wait(END_S)
        for reader in self._readers:
            reader.join(END_S)
        said = "".join(self._errors).strip() or "nothing"
        return PortError(
            f"board at {self.port}: ended with status {self._process.returncode} at {command!r}; it said: {said}"
        )

    def _read_answers(self, stream: IO[str]) -> None:
        for line in stream:
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer["event"])
            else:
                self._answers.put(answer)
        self._answers.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        self._errors.extend(stream)
