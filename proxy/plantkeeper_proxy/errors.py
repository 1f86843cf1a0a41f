"""Every error of the gateway.

GatewayError
├── UsageError          a command's words do not fit together
├── SettingsError       a setting is missing or makes no sense
├── MessageError        a request is not a reading; the sender is told why
│   └── TooLargeError   its body is over the limit
├── SignatureError      a request is not signed as the profile asks; the sender is told what is wrong with its form
├── VaultError          a device key cannot be encrypted or decrypted
├── DeviceKeyError      a command about device keys cannot be carried out
├── TooOftenError       a device or an address sends more than it may
└── StoreError          PostgreSQL cannot take or give readings now
    ├── OverloadedError more readings wait than may
    └── SchemaError     the database's schema is another than this program needs
"""


class GatewayError(Exception):
    """Base of all errors of the gateway."""


class UsageError(GatewayError):
    """A command's words do not fit together, or name what is not there."""


class SettingsError(GatewayError):
    """A setting is missing or makes no sense."""


class MessageError(GatewayError):
    """A request is not a reading."""


class TooLargeError(MessageError):
    """A request's body is over the limit."""


class SignatureError(GatewayError):
    """A request is not signed as the profile asks."""


class VaultError(GatewayError):
    """A device key cannot be encrypted or decrypted."""


class DeviceKeyError(GatewayError):
    """A command about device keys cannot be carried out."""


class TooOftenError(GatewayError):
    """A device or an address sends more than it may.

    Args:
        retry_after_s: when it may again.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreError(GatewayError):
    """PostgreSQL cannot take or give readings now."""


class SchemaError(StoreError):
    """The database's schema is another than this program needs.

    Args:
        found: its revision; None where it has none.
    """

    def __init__(self, said: str, *, found: str | None) -> None:
        super().__init__(said)
        self.found = found


class OverloadedError(StoreError):
    """More readings wait to be stored than may; this one was not taken."""
