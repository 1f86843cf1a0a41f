"""Every error that the harness raises; each message ends with what to do.

HilError
├── ProjectNotFoundError   called outside a checkout (project.py)
├── FirmwareBuildError     the firmware cannot be built (firmware/build.py)
├── StackError             a process of the stack did not come up, or died (stack/)
├── LedgerError            a place's record cannot be read as readings (ledgers.py)
├── FaultRunError          a load or a fault could not be carried out (faults/)
├── BoardError             a board does not do what it should (board/errors.py)
├── CassetteError          a recording cannot be read or written, or a test does otherwise (board/cassette.py)
├── BoardRunError          a board stopped in the middle of a run (run/day.py)
└── UsageError             an option's value makes no sense
"""


class HilError(Exception):
    """Base of all errors of the harness."""


class FirmwareBuildError(HilError):
    """PlatformIO could not build the firmware."""


class StackError(HilError):
    """A process of the stack did not come up, or died while it was needed."""


class BoardRunError(HilError):
    """A board stopped in the middle of a run."""


class FaultRunError(HilError):
    """A load or a fault could not be carried out, or nothing came of it in time."""


class UsageError(HilError):
    """An option's value makes no sense."""
