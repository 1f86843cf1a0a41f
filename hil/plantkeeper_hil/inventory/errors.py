"""What can be wrong with the list of boards.

InventoryError
├── UnknownBoardError    no board of that id, or it is not plugged in
├── AmbiguousBoardError  two devices that cannot be told apart
└── BoardsFileError      boards.yaml cannot be read
"""

from plantkeeper_hil.errors import HilError


class InventoryError(HilError):
    """Base of all errors of the list of boards."""


class UnknownBoardError(InventoryError):
    """No board of that id, or it is not plugged in."""


class AmbiguousBoardError(InventoryError):
    """Two devices that cannot be told apart."""


class BoardsFileError(InventoryError):
    """boards.yaml cannot be read."""
