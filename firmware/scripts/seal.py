"""PlatformIO script: writes the ELF's own SHA-256 into it, so that a board can say which ELF it runs.

The seal is the first 16 hexadecimal digits of the SHA-256 of the ELF with its seal's digits as zeros.
"""

import hashlib
from pathlib import Path

Import("env")  # noqa: F821 - given by PlatformIO's SCons

MARK = b"pk-seal:"
DIGITS = 16


def seal(target, source, env):  # noqa: ARG001 - as SCons calls an action
    """Put the digest over the zeros behind the mark."""
    elf = Path(str(target[0]))
    content = elf.read_bytes()
    blank = MARK + b"0" * DIGITS
    if content.count(blank) != 1:
        raise ValueError(f"{elf}: {content.count(blank)} places for the seal; expected one (src/identity.cpp)")
    digest = hashlib.sha256(content).hexdigest()[:DIGITS].encode()
    elf.write_bytes(content.replace(blank, MARK + digest))


env.AddPostAction("$BUILD_DIR/${PROGNAME}.elf", seal)  # noqa: F821
