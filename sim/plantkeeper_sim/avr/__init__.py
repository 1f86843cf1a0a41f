"""ATmega328P emulator: `load_elf` a firmware, make an `Mcu` of it, attach parts to its pins, `run` it."""

from plantkeeper_sim.avr.buses import TwiBus
from plantkeeper_sim.avr.elf import Firmware, load_elf
from plantkeeper_sim.avr.fuses import BARE, UNO, Fuses
from plantkeeper_sim.avr.mcu import Mcu, StopReason, Timer
from plantkeeper_sim.avr.pin import Pin

__all__ = ["BARE", "UNO", "Firmware", "Fuses", "Mcu", "Pin", "StopReason", "Timer", "TwiBus", "load_elf"]
