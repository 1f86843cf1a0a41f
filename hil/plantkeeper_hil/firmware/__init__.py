"""Building the firmware with PlatformIO, over its registry or over the system's AVR toolchain."""

from plantkeeper_hil.firmware.build import BuildResult, Toolchain, build_firmware

__all__ = ["BuildResult", "Toolchain", "build_firmware"]
