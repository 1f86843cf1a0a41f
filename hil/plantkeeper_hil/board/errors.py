"""What can be wrong with a board; each message names the board and says what to do.

BoardError
├── BoardTimeoutError      what was waited for did not come; shows the last lines
├── BoardGoneError         the port is closed: unplugged, or powered off
├── BoardBusyError         somebody else has the port or the board
├── BoardGarbledError      bytes that are no console text: another baud rate, or the board babbles
├── BoardSilentError       nothing comes from the board
│   └── BootloaderOnlyError  only its boot loader answers: half-flashed
├── CommandError           the board refused a command; has SCPI's number
├── WrongFirmwareError     the board runs something else than it should
└── UnsupportedError       this board cannot do that
"""

from plantkeeper_hil.errors import HilError


class BoardError(HilError):
    """Base of all errors of boards."""


class BoardTimeoutError(BoardError):
    """What was waited for did not come."""


class BoardGoneError(BoardError):
    """The port is closed: unplugged, or powered off."""


class BoardBusyError(BoardError):
    """Somebody else has the port or the board."""


class BoardGarbledError(BoardError):
    """What comes from the board is no console text."""


class BoardSilentError(BoardError):
    """Nothing comes from the board."""


class BootloaderOnlyError(BoardSilentError):
    """Only the boot loader answers."""


class WrongFirmwareError(BoardError):
    """The board runs something else than it should."""


class UnsupportedError(BoardError):
    """This board cannot do that."""


class CommandError(BoardError):
    """The board refused a command.

    Args:
        number: SCPI's error number, such as -113.
        text: SCPI's text for it.
        reply: what the board answered nonetheless; "" for nothing.
    """

    def __init__(self, message: str, *, number: int, text: str, reply: str) -> None:
        super().__init__(message)
        self.number, self.text, self.reply = number, text, reply
