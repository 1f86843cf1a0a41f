"""The C core through cffi: the one place where untyped C values are seen."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

_HERE = Path(__file__).parent
HEADER = _HERE / "core" / "api.h"
LIBRARY = _HERE / "_core.so"


def declarations() -> str:
    """The C header without its comments, as cffi's parser takes it."""
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)


@cache
def load(library: Path = LIBRARY) -> tuple[Any, Any]:
    """(ffi, lib) of the compiled core.

    Raises:
        ImportError: the library is missing or does not belong to this header.
    """
    ffi = FFI()
    ffi.cdef(declarations())
    try:
        lib: Any = ffi.dlopen(str(library))
    except OSError as error:
        raise ImportError(
            f"{library}: the emulator's C core cannot be loaded ({error}); run pip install ./sim"
        ) from error
    expected = ffi.sizeof("avr_machine")
    if lib.avr_machine_size() != expected:
        raise ImportError(
            f"{library}: compiled from another api.h (machine of {lib.avr_machine_size()} bytes, header says "
            f"{expected}); run pip install ./sim again"
        )
    return ffi, lib
