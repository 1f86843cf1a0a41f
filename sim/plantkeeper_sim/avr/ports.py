"""The machine's ports as parts see them: SPI, two-wire, ADC inputs, and the far end of the serial line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plantkeeper_sim.avr.buses import AnalogSource, SpiTransfer, TwiBus
from plantkeeper_sim.errors import NotModelledError

BANDGAP_VOLTS = 1.1  # table 24-3, nominal
RXEN0, U2X0 = 0x10, 0x02  # bits of UCSR0B and UCSR0A (20.11)
CHANNELS = (*range(9), 14, 15)  # table 24-4; the rest is reserved


class Spi:
    """The SPI port: one byte exchange for everything on the bus; chip selects are ordinary pins."""

    def __init__(self) -> None:
        self.transfer: SpiTransfer = lambda _mosi: 0xFF

    def attach(self, transfer: SpiTransfer) -> None:
        """Exchange every byte with `transfer(mosi) -> miso`. Unattached, MISO reads high."""
        self.transfer = transfer


class _NobodyOnTheBus:
    def start(self, address: int, read: bool) -> bool:  # noqa: ARG002, FBT001
        return False

    def write(self, byte: int) -> bool:  # noqa: ARG002
        return False

    def read(self, ack: bool) -> int:  # noqa: ARG002, FBT001
        return 0xFF

    def stop(self) -> None:
        pass


class Twi:
    """The two-wire port."""

    def __init__(self) -> None:
        self.bus: TwiBus = _NobodyOnTheBus()

    def attach(self, bus: TwiBus) -> None:
        """Let `bus` answer as the slaves. Unattached, nobody acknowledges."""
        self.bus = bus


class Adc:
    """The ADC's inputs. AREF and the channels are open until something is attached; 14 and 15 are inside the chip."""

    def __init__(self) -> None:
        self.sources: dict[int, AnalogSource] = {14: lambda: BANDGAP_VOLTS, 15: lambda: 0.0}
        self.aref_volts: float | None = None

    def attach(self, channel: int, volts: AnalogSource) -> None:
        """Sample `volts()` for a channel (ADMUX.MUX, 0–7; 8 is the temperature sensor)."""
        if channel not in CHANNELS:
            raise ValueError(f"no ADC channel {channel}; the ATmega328P has 0…7, 8 (temperature), 14 and 15 (inside)")
        self.sources[channel] = volts

    def convert(self, admux: int, avcc_volts: float, where: tuple[int, str]) -> int:
        """The 10-bit code for ADMUX as it stands (24.7: Vin × 1024 / Vref).

        Args:
            admux: reference selection in bits 7:6, channel in bits 3:0.
            avcc_volts: the supply.
            where: PC and the place it names, for the error.

        Raises:
            NotModelledError: a reserved selection, an open input, or an open AREF.
        """
        channel, selection = admux & 0x0F, admux >> 6
        pc, at = where
        reference = (self.aref_volts, avcc_volts, None, BANDGAP_VOLTS)[selection]
        if reference is None:
            what = "AREF, which is open (set mcu.adc.aref_volts)" if selection == 0 else "a reserved selection"
            raise NotModelledError(f"ADC conversion {at}: ADMUX = 0x{admux:02X} refers to {what}", pc=pc)
        source = self.sources.get(channel)
        if source is None:
            raise NotModelledError(
                f"ADC conversion {at}: ADMUX = 0x{admux:02X} selects channel {channel}, where nothing is attached "
                f"(mcu.adc.attach({channel}, …))",
                pc=pc,
            )
        return max(0, min(1023, int(source() * 1024 / reference)))


class Uart:
    """The far end of USART0's line."""

    def __init__(self, ffi: Any, lib: Any, machine: Any) -> None:
        self._ffi, self._lib, self._machine = ffi, lib, machine
        self._sent: list[tuple[int, int]] = []
        self._line = bytearray()
        self._watchers: list[Callable[[bytes, int], None]] = []
        self._to_feed = bytearray()
        self._framing = bytearray()

    def take(self) -> list[tuple[int, int]]:
        """(cycles, byte) of all that was sent since the last call; the cycle is the end of the stop bit."""
        self.collect()
        sent, self._sent = self._sent, []
        return sent

    def feed(self, data: bytes, framing: bytes | None = None) -> None:
        """Send bytes to the program, at its own baud rate.

        Args:
            data: the bytes.
            framing: for each of them 1 where the stop bit is low, which sets FE0 (20.11.2); None: nowhere.
        """
        self._to_feed += data
        self._framing += bytes(len(data)) if framing is None else framing
        self.refill()

    def refill(self) -> None:
        """Hand waiting bytes to the core as it has room."""
        if self._to_feed:
            taken = self._lib.avr_uart_feed(
                self._machine, bytes(self._to_feed), bytes(self._framing), len(self._to_feed)
            )
            del self._to_feed[:taken], self._framing[:taken]

    def drop(self) -> None:
        """Forget what was fed and not yet received: the line went dead."""
        self._to_feed.clear()
        self._framing.clear()
        self._lib.avr_uart_drop(self._machine)

    @property
    def receiving(self) -> bool:
        """Whether the program has its receiver on; what is fed before waits on the line."""
        return bool(self._machine.usart_ucsrb & RXEN0)

    @property
    def bit_cycles(self) -> int:
        """Length of a bit, as the program has set it (20.3.1)."""
        divisor = 8 if self._machine.usart_ucsra & U2X0 else 16
        return int((self._machine.usart_ubrr + 1) * divisor)

    def watch_lines(self, function: Callable[[bytes, int], None]) -> None:
        """Call `function(line, cycles)` for every line sent, without its line end."""
        self._watchers.append(function)

    def drop_unfinished_line(self) -> None:
        """Forget the line that is being sent: a reset cut it."""
        self._line.clear()

    def collect(self) -> None:
        """Fetch what the core has sent."""
        machine = self._machine
        sent = machine.uart_out_count
        machine.uart_out_count = 0
        for index in range(sent):
            byte, cycles = machine.uart_out[index], machine.uart_out_cycles[index]
            self._sent.append((cycles, byte))
            if not self._watchers:
                continue
            if byte == 0x0A:
                line = bytes(self._line).rstrip(b"\r")
                self._line.clear()
                for watcher in self._watchers:
                    watcher(line, cycles)
            else:
                self._line.append(byte)
