"""PlatformIO script for boards with a SAM D21: bossac erases the rows that it writes, and no others.

The platform's own flags erase the whole flash, and with it what the board keeps in its last rows: its configuration,
the boot counter, by which no key is ever given out twice, and readings that wait.
"""

Import("env")  # noqa: F821 - given by PlatformIO's SCons

env.Replace(  # noqa: F821
    UPLOADERFLAGS=[
        "--port",
        '"$UPLOAD_PORT"',
        "--usb-port",
        "--offset",
        env.BoardConfig().get("upload.offset_address"),  # noqa: F821
        "--write",
        "--verify",
        "--reset",
    ]
)
