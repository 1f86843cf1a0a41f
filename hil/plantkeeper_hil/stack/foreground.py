"""`hil stack`: the stack in the foreground, for a person with curl, a board or a browser."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console

from plantkeeper_hil.errors import UsageError
from plantkeeper_hil.project import Project
from plantkeeper_hil.stack.local import LocalStack, StackOptions

CHECK_EVERY_S = 0.5
FILE_NAME = "stack.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `hil stack`."""
    parser.add_argument(
        "--gateway-host",
        default="127.0.0.1",
        help="address that the gateway listens on (default 127.0.0.1; a board on the desk needs this machine's)",
    )
    parser.add_argument("--gateway-port", type=int, default=0, help="port of the gateway (default: a free one)")
    parser.add_argument("--backend-url", help="forward to this HTTPS backend instead of the mock")
    parser.add_argument(
        "--backend-ca",
        type=Path,
        help="PEM file of the authority that this backend is verified against (default: the system's)",
    )
    parser.add_argument(
        "--boards", type=int, default=3, help="ids 1 to this are seeded and known to the backend (default 3)"
    )


def check_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense.

    Raises:
        UsageError: names the option, its value and what is expected.
    """
    if not 0 <= options.gateway_port <= 65535:
        raise UsageError(f"--gateway-port {options.gateway_port}: expected 0…65535, 0 for a free one")
    if not 1 <= options.boards <= 10_000:
        raise UsageError(f"--boards {options.boards}: expected 1…10000")
    if options.backend_url is not None and not options.backend_url.startswith("https://"):
        raise UsageError(
            f"--backend-url {options.backend_url}: the gateway forwards over HTTPS only; expected https://…"
        )
    if options.backend_ca is not None:
        if options.backend_url is None:
            raise UsageError(f"--backend-ca {options.backend_ca}: it belongs to --backend-url, which is not given")
        if not options.backend_ca.is_file():
            raise UsageError(f"--backend-ca {options.backend_ca}: no such file")


def run(project: Project, options: argparse.Namespace) -> int:
    """Keep the stack up until Ctrl-C or SIGTERM."""
    check_options(options)
    console = Console(highlight=False)
    enough = threading.Event()
    restore = _on_signals(enough)
    file = project.build_dir / FILE_NAME
    stack_options = StackOptions(
        log_dir=project.build_dir / "stack" / "logs",
        devices=options.boards,
        gateway_host=options.gateway_host,
        gateway_port=options.gateway_port,
        backend_url=options.backend_url,
        backend_ca=options.backend_ca.resolve() if options.backend_ca else None,
        say=console.print,
    )
    try:
        with LocalStack(stack_options) as stack:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(describe(stack), indent=2) + "\n")
            console.print(table(stack), soft_wrap=True, markup=False)
            console.print(f"{file} says the same to programs. Ctrl-C ends everything.", soft_wrap=True)
            while not enough.wait(CHECK_EVERY_S):
                stack.check_alive()
            console.print("ending the stack")
    finally:
        file.unlink(missing_ok=True)
        restore()
    return 0


def describe(stack: LocalStack) -> dict[str, object]:
    """The stack as `stack.json` has it."""
    return {
        "gateway_url": stack.gateway_url,
        "backend_url": stack.backend_url,
        "backend_ca": None if stack.backend_ca is None else str(stack.backend_ca),
        "database_dsn": stack.dsn,
        "pids": stack.pids,
    }


def write_atomically(path: Path, text: str) -> None:
    """Write a file that never is there half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def table(stack: LocalStack) -> str:
    """What is where, a line each; no line is cut or folded, since a part of an address is of no use to anybody."""
    rows = [
        ("gateway", f"{stack.gateway_url}/sensor-data"),
        ("is it ready", f"{stack.gateway_url}/readyz"),
        ("backend", f"{stack.backend_url}/api/v1/sensors/1"),
        ("backend's CA", str(stack.backend_ca or "the system's")),
        ("database", stack.dsn),
        ("logs", str(stack.options.log_dir)),
    ]
    if stack.options.backend_url is None:
        rows.insert(3, ("backend's journal", f"{stack.backend_url}/_mock/journal"))
    width = max(len(what) for what, _ in rows)
    return "\n".join(["PlantKeeper stack", *(f"  {what:<{width}}  {where}" for what, where in rows)])


def _on_signals(enough: threading.Event) -> Callable[[], None]:
    """Let SIGINT, SIGTERM and SIGHUP set the event; returns what puts the old handlers back."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        enough.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
