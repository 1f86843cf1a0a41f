"""A board in real time behind a pseudo-terminal: for avrdude, PlatformIO, a terminal, PyVISA (docs/emulator.md)."""
