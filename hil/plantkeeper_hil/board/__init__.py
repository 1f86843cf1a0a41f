"""Boards: one protocol, and what stands behind it (emulator, serial port)."""
