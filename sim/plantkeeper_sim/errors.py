"""Every error that the simulator raises.

SimError
├── FirmwareError        the ELF cannot be run on this machine
├── McuFault             the program did what the ATmega328P cannot do
│   ├── IllegalOpcodeError
│   ├── ExecutionOutsideProgramError
│   ├── DataAccessError
│   ├── FlashAccessError
│   ├── StackOverflowError
│   └── NotModelledError
├── PortError            a board's port cannot be made, or a board's process did not do what it was asked
├── SnapshotError        a snapshot does not belong to this machine
├── BackendError         the mock backend was set up or asked for something that it cannot do
└── PartError            a chip was used as its datasheet does not allow, or as is not modelled
"""


class SimError(Exception):
    """Base of all errors of the simulator."""


class FirmwareError(SimError):
    """The ELF is damaged, or was not built for the ATmega328P."""


class McuFault(SimError):  # noqa: N818 - the field's word for it is fault
    """The program did what the machine cannot do.

    Args:
        message: what happened, where (PC, source line), and what to do.
        pc: byte address of the instruction.
    """

    def __init__(self, message: str, *, pc: int) -> None:
        super().__init__(message)
        self.pc = pc


class IllegalOpcodeError(McuFault):
    """An opcode that the ATmega328P does not have."""


class ExecutionOutsideProgramError(McuFault):
    """The program counter left the program image."""


class DataAccessError(McuFault):
    """A load, store or stack access beyond the SRAM."""


class FlashAccessError(McuFault):
    """Flash was used while it is written, or against its lock bits."""


class StackOverflowError(McuFault):
    """The stack grew into static data."""


class NotModelledError(McuFault):
    """A register or feature of the chip that the emulator does not model."""


class SnapshotError(SimError):
    """A snapshot of another machine or firmware."""


class PortError(SimError):
    """The port of a paced board cannot be made, or its process did not do what it was asked."""


class PartError(SimError):
    """A chip on the board was used as its datasheet does not allow, or in a way that is not modelled."""


class BackendError(SimError):
    """The mock backend was set up, or asked for something, that it cannot do."""
