"""Every error of the gateway.

GatewayError
├── SettingsError       a setting is missing or makes no sense
├── MessageError        a request is not a reading; the sender is told why
│   └── TooLargeError   its body is over the limit
├── TooOftenError       a device or an address sends more than it may
└── StoreError          PostgreSQL cannot take or give readings now
    └── OverloadedError more readings wait than may
"""


class GatewayError(Exception):
    """Base of all errors of the gateway."""


class SettingsError(GatewayError):
    """A setting is missing or makes no sense."""


class MessageError(GatewayError):
    """A request is not a reading."""


class TooLargeError(MessageError):
    """A request's body is over the limit."""


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


class OverloadedError(StoreError):
    """More readings wait to be stored than may; this one was not taken."""
