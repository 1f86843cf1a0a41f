"""PlatformIO platform over the system's AVR toolchain: it needs no package from a registry."""

from platformio.public import PlatformBase


class Plantkeeper_avrPlatform(PlatformBase):  # noqa: N801 - PlatformIO derives the class name from platform.json
    """Nothing to install: compiler, C library and Arduino core come from the distribution."""
