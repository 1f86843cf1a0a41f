"""Every error of the gateway.

GatewayError
├── SettingsError       a setting is missing or makes no sense
├── MessageError        a request is not a reading; the sender is told why
│   └── TooLargeError   its body is over the limit
└── StoreError          PostgreSQL cannot take or give readings now
    ├── OverloadedError more readings wait than may
    └── SchemaError     the database's schema is another than this program needs
"""


class GatewayError(Exception):
    """Base of all errors of the gateway."""


class SettingsError(GatewayError):
    """A setting is missing or makes no sense."""


class MessageError(GatewayError):
    """A request is not a reading."""


class TooLargeError(MessageError):
    """A request's body is over the limit."""


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
