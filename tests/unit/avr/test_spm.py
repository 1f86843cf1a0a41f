"""Self-programming (datasheet chapters 27, 28): boot section, page buffer, windows, times, lock bits, fuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plantkeeper_sim.avr import UNO, Firmware, Fuses, Mcu
from plantkeeper_sim.errors import FlashAccessError, IllegalOpcodeError, NotModelledError, SnapshotError

if TYPE_CHECKING:
    from tests.unit.avr.conftest import Lab, MakeLab

SPMEN, PGERS, PGWRT, BLBSET, RWWSRE, SIGRD, RWWSB, SPMIE = 1, 2, 4, 8, 16, 32, 64, 128
PAGE = 128
BUSY = 72_000  # 4.5 ms, 27.8.12
LARGE = Fuses(high=0xD9)  # a boot section from 0x7000; it starts in the application
LOCKED = Fuses(high=UNO.high | 1, lock=UNO.lock)  # as an Uno, but it starts in the application
EXTERNAL, WATCHDOG = 2, 8

RIG = """
main:
    nop
.org 0x7000
do:
    out SPMCSR, r20
    spm
begun:
    in r21, SPMCSR
wait:
    in r22, SPMCSR
    sbrc r22, 0
    rjmp wait
done:
    rjmp done
read:
    lpm r23, Z
has_read:
    rjmp done
"""


@pytest.fixture
def boot(lab: MakeLab) -> Lab:
    """A program in the boot section that a test drives one command at a time."""
    return lab(RIG, fuses=LARGE)


def begin(rig: Lab, spmcsr: int, z: int, word: int = 0xFFFF) -> None:
    """Stand before a command."""
    mcu = rig.mcu
    registers = bytearray(mcu.registers)
    registers[0:2], registers[30:32], registers[20] = word.to_bytes(2, "little"), z.to_bytes(2, "little"), spmcsr
    mcu.write_data(0, bytes(registers))
    mcu.pc = rig.address("do")


def command(rig: Lab, spmcsr: int, z: int, word: int = 0xFFFF) -> None:
    """One command, and the wait for its end."""
    begin(rig, spmcsr, z, word)
    rig.go(BUSY + 20 if spmcsr & (PGERS | PGWRT | BLBSET) else 14)
    assert rig.mcu.pc == rig.address("done")


def read(rig: Lab, z: int) -> int:
    """LPM by the program in the boot section."""
    rig.mcu.write_data(30, z.to_bytes(2, "little"))
    rig.mcu.pc = rig.address("read")
    rig.to("has_read")
    return rig[23]


def page(mcu: Mcu, address: int) -> bytes:
    return mcu.flash[address : address + PAGE]


# ---- the pages -----------------------------------------------------------------------------------------------


def test_fill_erase_write_and_read_back(boot: Lab) -> None:
    for offset in range(0, PAGE, 2):
        command(boot, SPMEN, 0x100 + offset, 0x1000 + offset)
    assert page(boot.mcu, 0x100) == bytes(PAGE)
    command(boot, SPMEN | PGERS, 0x100)
    assert page(boot.mcu, 0x100) == b"\xff" * PAGE
    command(boot, SPMEN | PGWRT, 0x100)
    command(boot, SPMEN | RWWSRE, 0)
    assert page(boot.mcu, 0x100) == b"".join((0x1000 + i).to_bytes(2, "little") for i in range(0, PAGE, 2))
    assert [read(boot, z) for z in (0xFF, 0x100, 0x101, 0x17E, 0x17F, 0x180)] == [0, 0, 0x10, 0x7E, 0x10, 0]


@pytest.mark.parametrize(("address", "halted"), [(0x0000, False), (0x6F80, False), (0x7F80, True)])
def test_a_page_takes_4_5_ms(boot: Lab, address: int, halted: bool) -> None:
    """27.4, 27.8.12: the CPU goes on, RWWSB set, but for the section that the program itself runs in."""
    begin(boot, SPMEN | PGERS, address)
    spm_done = boot.to("begun")
    boot.mcu.run(spm_done + BUSY - 1)
    assert (
        boot.mcu.pc == boot.address("begun") if halted else boot.address("wait") <= boot.mcu.pc < boot.address("done")
    )
    boot.mcu.run(spm_done + BUSY + 8)
    assert boot.mcu.pc == boot.address("done")
    assert (boot[21], boot[22]) == ((0, 0) if halted else (RWWSB | PGERS | SPMEN, RWWSB))
    assert page(boot.mcu, address) == b"\xff" * PAGE


def test_peripherals_go_on_while_the_cpu_stands_still(lab: MakeLab) -> None:
    rig = lab(
        f"""
    main:
        outi TCCR0B, 3
        stsi TIMSK0, 1
        ldi r30, 0x80
        ldi r31, 0x7F
        jmp boot
    .org 0x7000
    boot:
        outi SPMCSR, {SPMEN | PGERS}
        spm
    after:
        in r20, TIFR0
        in r21, TCNT0
    end:
        rjmp end
    """,
        fuses=LARGE,
    )
    rig.go(5)
    rig.go(BUSY + 30)
    assert rig.mcu.pc == rig.address("end")
    assert (rig[20] & 1, rig[21]) == (1, (BUSY + 10) // 64 % 256)


def test_writing_clears_bits_and_only_erasing_sets_them(boot: Lab) -> None:
    command(boot, SPMEN | PGERS, 0x200)
    command(boot, SPMEN, 0x200, 0x0FF0)
    command(boot, SPMEN | PGWRT, 0x200)
    command(boot, SPMEN, 0x200, 0xFF3F)
    command(boot, SPMEN | PGWRT, 0x200)
    assert page(boot.mcu, 0x200) == b"\x30\x0f" + b"\xff" * (PAGE - 2)


def test_page_buffer_is_written_once(boot: Lab) -> None:
    """27.8.2; a page write, RWWSRE, a reset and an EEPROM write empty it (27.9.1, 27.8.2)."""
    command(boot, SPMEN, 4, 0x1234)
    with pytest.raises(NotModelledError, match=r"with Z = 0x0005: .*a word of the page buffer loaded twice"):
        command(boot, SPMEN, 5, 0x1234)
    boot.mcu.reset(EXTERNAL)
    for forget in (SPMEN | RWWSRE, SPMEN | PGWRT):
        command(boot, SPMEN, 4, 0x1234)
        command(boot, forget, 0x400)
        command(boot, SPMEN | RWWSRE, 0)
        command(boot, SPMEN, 4, 0x1234)
        command(boot, SPMEN | RWWSRE, 0)


@dataclass
class Model:
    """The pages as chapter 27 describes them."""

    flash: bytearray
    buffer: dict[int, int] = field(default_factory=dict)

    def apply(self, spmcsr: int, z: int, word: int) -> None:
        base = z // PAGE * PAGE
        match spmcsr & ~SPMEN:
            case 0:
                self.buffer[z % PAGE // 2 * 2] = word
            case 2:  # PGERS
                self.flash[base : base + PAGE] = b"\xff" * PAGE
            case 4:  # PGWRT
                for offset, loaded in self.buffer.items():
                    for at, byte in enumerate(loaded.to_bytes(2, "little"), base + offset):
                        self.flash[at] &= byte
                self.buffer.clear()
            case _:  # RWWSRE
                self.buffer.clear()


# pages 0 and 1 neighbour each other, 223 and 224 part the sections; the rig itself sits in page 224's place + 0
ADDRESSES = st.sampled_from((0x0000, 0x0080, 0x3F80, 0x6F80, 0x7080, 0x7F80)).flatmap(
    lambda base: st.integers(base, base + PAGE - 1)
)
COMMANDS = st.tuples(
    st.sampled_from((SPMEN, SPMEN, SPMEN, SPMEN | PGERS, SPMEN | PGWRT, SPMEN | RWWSRE)),
    ADDRESSES,
    st.integers(0, 0xFFFF),
)


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, max_size=30))
def test_any_sequence_equals_the_model(boot: Lab, commands: list[tuple[int, int, int]]) -> None:
    boot.mcu.reset(EXTERNAL)
    model = Model(bytearray(boot.mcu.flash))
    for spmcsr, z, word in commands:
        if spmcsr == SPMEN and z % PAGE // 2 * 2 in model.buffer:
            continue
        command(boot, spmcsr, z, word)
        model.apply(spmcsr, z, word)
    command(boot, SPMEN | RWWSRE, 0)
    assert boot.mcu.flash == bytes(model.flash)


@settings(derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.binary(min_size=PAGE, max_size=PAGE), st.integers(0, 2**32))
def test_what_was_written_runs_as_if_it_had_been_there_from_the_start(
    boot: Lab, number: int, contents: bytes, seed: int
) -> None:
    """Predecoded, fused and measured anew: blocks and sequences reach over the page's borders on both sides."""
    mcu, base = boot.mcu, 0x200 + number * PAGE
    mcu.reset(EXTERNAL)
    command(boot, SPMEN | PGERS, base)
    for offset in range(0, PAGE, 2):
        command(boot, SPMEN, base + offset, int.from_bytes(contents[offset : offset + 2], "little"))
    command(boot, SPMEN | PGWRT, base)
    command(boot, SPMEN | RWWSRE, 0)
    fresh = Mcu(Firmware("fresh", mcu.flash[: len(mcu.firmware.image)], "00" * 32))
    for start in (base - 16, base - 2, base, base + PAGE - 2):
        outcomes = []
        for machine in (mcu, fresh):
            machine.reset(EXTERNAL)
            machine.write_data(0, seed.to_bytes(8, "little") * 4)
            machine.pc = start
            began = machine.cycles
            try:
                machine.run(began + 200)
                fault = ""
            except Exception as error:
                fault = type(error).__name__
            outcomes.append((fault, machine.pc, machine.sreg, machine.registers, machine.cycles - began))
        assert outcomes[0] == outcomes[1]


# ---- windows and combinations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("nops", "taken"), [(0, True), (3, True), (4, False), (9, False)])
def test_spm_within_four_cycles(lab: MakeLab, nops: int, taken: bool) -> None:
    """27.9.1, SPMEN: then the hardware takes it back."""
    rig = lab(
        f"""
    main:
        ldi r30, 0
        ldi r31, 2
        ldi r16, {SPMEN | PGERS}
        jmp boot
    .org 0x7000
    boot:
        out SPMCSR, r16
        nops {nops}
        spm
        in r20, SPMCSR
    end:
        rjmp end
    """,
        fuses=LARGE,
    )
    rig.to("end")
    assert rig[20] == (RWWSB | SPMEN | PGERS if taken else 0)
    assert (page(rig.mcu, 0x200) == b"\xff" * PAGE) is taken


@pytest.mark.parametrize("value", [0, PGERS, PGWRT, SPMEN | PGERS | PGWRT, SPMEN | BLBSET | RWWSRE, SPMEN | SIGRD])
def test_other_combinations_have_no_effect(boot: Lab, value: int) -> None:
    before = boot.mcu.flash
    command(boot, value, 0x7F80, 0)
    assert boot.mcu.flash == before
    assert boot[22] == 0


def test_spm_does_nothing_in_the_application_section(lab: MakeLab) -> None:
    rig = lab(
        f"main: outi SPMCSR, {SPMEN | PGERS}\n spm\n nop\n nop\n nop\n in r20, SPMCSR\n end: rjmp end", fuses=LOCKED
    )
    before = rig.mcu.flash
    rig.mcu.pc = rig.address("main")
    rig.to("end")
    assert rig[20] == 0
    assert rig.mcu.flash == before


def test_spm_ready_interrupt(lab: MakeLab) -> None:
    """27.9.1, SPMIE: asks as long as SPMEN is clear."""
    rig = lab(
        f"""
    main:
        ldi r30, 0x80
        ldi r31, 0x7F
        jmp boot
    .org 0x7000
    boot:
        outi SPMCSR, {SPMIE | SPMEN | PGERS}
        spm
        sei
    loop:
        rjmp loop
    isr:
        rjmp isr
    """,
        {"SPM_READY": "isr"},
        fuses=LARGE,
    )
    before = rig.cycles
    assert rig.to("isr", 2 * BUSY) - before in range(BUSY, BUSY + 30)


def test_an_eeprom_write_blocks_self_programming(lab: MakeLab) -> None:
    """27.8.8: SPMCSR takes nothing, and what was loaded is lost (27.8.2)."""
    rig = lab(
        f"""
    main:
        ldi r30, 0
        ldi r31, 2
        ldi r17, {SPMEN | PGERS}
        jmp boot
    .org 0x7000
    boot:
        sbi EECR, 2
        sbi EECR, 1
        out SPMCSR, r17
        spm
        in r20, SPMCSR
    end:
        rjmp end
    """,
        fuses=LARGE,
    )
    rig.to("end")
    assert rig[20] == 0
    assert page(rig.mcu, 0x200) == bytes(PAGE)


# ---- the section that is written -------------------------------------------------------------------------------

BUSY_PROGRAM = f"""
main:
    jmp boot
.org 0x7000
boot:
    ldi r30, 0x80
    ldi r31, 2
    outi SPMCSR, {SPMEN | PGERS}
    spm
    nops 9
"""


@pytest.mark.parametrize(
    "code", ["jmp main", "lpm r0, Z", "lpm r0, Z+", "sei\n stsi PCICR, 4\n stsi PCMSK2, 1\n nops 30"]
)
def test_use_of_a_section_that_is_written(lab: MakeLab, code: str) -> None:
    rig = lab(f"{BUSY_PROGRAM}\n{code}\nend: rjmp end", {"PCINT2": "main"}, fuses=LARGE)
    rig.mcu.call_at(rig.cycles + 40, lambda: rig.mcu.pin("PD0").drive(True))
    with pytest.raises(FlashAccessError, match=r"use of flash 0x0[0-9A-F]{3} at PC .* while a page of that section"):
        rig.go(90)
    rig.mcu.reset(EXTERNAL)
    assert rig.to("main") > 0


def test_flash_above_the_section_can_be_read_meanwhile(lab: MakeLab) -> None:
    rig = lab(
        f"{BUSY_PROGRAM}\n ldi r31, 0x70\n ldi r30, 0\n lpm r20, Z+\n lpm r21, Z\nend: rjmp end", fuses=Fuses(high=0xD9)
    )
    rig.to("end")
    assert bytes(rig.mcu.registers[20:22]) == rig.mcu.flash[0x7000:0x7002]
    assert rig.mcu.registers[30] == 1


# ---- fuses, lock bits, signature ---------------------------------------------------------------------------------

READ_BY = """
main:
    jmp boot
.org 0x7E00
boot:
    out SPMCSR, r20
    lpm r21, Z
    in r22, SPMCSR
end:
    rjmp end
"""


@pytest.mark.parametrize(
    ("how", "z", "byte"),
    [
        (BLBSET, 0, 0xFF), (BLBSET, 1, 0xCF), (BLBSET, 2, 0xFD), (BLBSET, 3, 0xDF),
        (SIGRD, 0, 0x1E), (SIGRD, 2, 0x95), (SIGRD, 4, 0x0F), (SIGRD, 1, 0xFF),
    ],
)  # fmt: skip
def test_fuses_lock_bits_and_signature(lab: MakeLab, how: int, z: int, byte: int) -> None:
    """27.8.9, 27.8.10."""
    rig = reader(lab, how, z)
    assert (rig[21], rig[22]) == (byte, 0)


@pytest.mark.parametrize(("how", "z"), [(BLBSET, 4), (SIGRD, 3), (SIGRD, 6)])
def test_reserved_places(lab: MakeLab, how: int, z: int) -> None:
    with pytest.raises(NotModelledError, match=f"with Z = 0x000{z}"):
        reader(lab, how, z)


def reader(lab: MakeLab, how: int, z: int) -> Lab:
    rig = lab(READ_BY, fuses=LOCKED)
    rig.mcu.pc = rig.address("boot")
    rig.mcu.write_data(20, bytes((how | SPMEN,)))
    rig.mcu.write_data(30, bytes((z, 0)))
    rig.to("end")
    return rig


def test_lpm_later_than_three_cycles_reads_flash(lab: MakeLab) -> None:
    source = READ_BY.replace("    lpm", "    nop\n    nop\n    nop\n    lpm")
    rig = lab(source, fuses=LOCKED)
    rig.mcu.pc = rig.address("boot")
    rig.mcu.write_data(20, bytes((BLBSET | SPMEN,)))
    rig.mcu.write_data(30, bytes((1, 0)))
    rig.to("end")
    assert rig[21] == rig.mcu.flash[1]


@pytest.mark.parametrize(
    ("lock", "application", "boot_section"),
    [(0xFF, True, True), (0xFB, False, True), (0xF3, False, True), (0xEF, True, False), (0xCF, True, False)],
)
def test_lock_bits_forbid_writing(lab: MakeLab, lock: int, application: bool, boot_section: bool) -> None:
    """Tables 27-2 and 27-3: modes 2 and 3."""
    rig = lab(RIG, fuses=Fuses(high=0xD9, lock=lock))
    for address, allowed in ((0x0200, application), (0x7F80, boot_section)):
        before = page(rig.mcu, address)
        command(rig, SPMEN | PGERS, address)
        assert page(rig.mcu, address) == (b"\xff" * PAGE if allowed else before)


@pytest.mark.parametrize(("lock", "fails"), [(0xFF, False), (0xF7, True), (0xDF, False)])
def test_lock_bits_forbid_reading_the_application(lab: MakeLab, lock: int, fails: bool) -> None:
    """Table 27-2: modes 3 and 4."""
    rig = lab(RIG, fuses=Fuses(high=0xD9, lock=lock))
    assert read(rig, 0x7000) == rig.mcu.flash[0x7000]
    if fails:
        with pytest.raises(FlashAccessError, match=r"LPM from 0x0010 at PC .* the boot lock bits forbid it"):
            read(rig, 0x10)
    else:
        assert read(rig, 0x10) == rig.mcu.flash[0x10]


def test_the_application_cannot_read_a_locked_boot_section(lab: MakeLab) -> None:
    rig = lab("main: ldi r31, 0x7E\n ldi r30, 0\n lpm r20, Z\n nop\n.org 0x7E00\n nop", fuses=LOCKED)
    rig.mcu.pc = rig.address("main")
    with pytest.raises(FlashAccessError, match="LPM from 0x7E00"):
        rig.go(20)


def test_spm_programs_lock_bits(boot: Lab) -> None:
    """27.8.7: zeros program, bits 7:6 stay."""
    command(boot, SPMEN | BLBSET, 1, 0x00EF)
    before = page(boot.mcu, 0x7F80)
    command(boot, SPMEN | PGERS, 0x7F80)
    assert page(boot.mcu, 0x7F80) == before


def test_interrupts_wait_until_a_locked_boot_section_is_left(lab: MakeLab) -> None:
    """Table 27-3, modes 3 and 4, with the vectors in the application section."""
    source = """
    main:
        jmp boot
    back:
        nops 3
    isr:
        rjmp isr
    .org 0x7E00
    boot:
        stsi PCICR, 4
        stsi PCMSK2, 1
        sei
    in_boot:
        nops 40
        jmp back
    """
    rig = lab(source, {"PCINT2": "isr"}, fuses=LOCKED)
    rig.mcu.pc = rig.address("main")
    rig.to("in_boot")
    rig.mcu.pin("PD0").drive(True)
    start = rig.cycles
    assert rig.to("PCINT2") - start == 40 + 3 + 4


# ---- where it starts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("high", "start"), [(0xD9, 0), (0xDF, 0), (0xD8, 0x7000), (0xDA, 0x7800), (0xDC, 0x7C00), (0xDE, 0x7E00)]
)
def test_every_reset_starts_where_the_fuses_say(high: int, start: int) -> None:
    """Tables 27-4 and 27-13."""
    mcu = Mcu(Firmware("nops", bytes(0x8000), "00" * 32), fuses=Fuses(high=high))
    assert mcu.pc == start
    assert Fuses(high=high).boot_start == (start or (0x7000 if high == 0xD9 else 0x7E00))
    for cause in (EXTERNAL, WATCHDOG):
        mcu.run(mcu.cycles + 5)
        mcu.reset(cause)
        assert mcu.pc == start
        assert mcu.read_data(0x54, 1)[0] & cause


@pytest.mark.parametrize("fuses", [{"low": 0x62}, {"high": 0xCF}, {"high": 0x5F}, {"high": 0x99}, {"lock": 256}])
def test_fuses_that_are_not_modelled(fuses: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="fuse"):
        Fuses(**fuses)


def test_erased_flash_is_named() -> None:
    mcu = Mcu(Firmware("erased", b"\xff" * 0x8000, "00" * 32))
    with pytest.raises(IllegalOpcodeError, match="erased flash"):
        mcu.run(10)


# ---- snapshots ---------------------------------------------------------------------------------------------------


def test_a_snapshot_has_the_flash_where_it_was_changed(boot: Lab) -> None:
    mcu, original = boot.mcu, boot.mcu.flash
    before = mcu.snapshot()
    command(boot, SPMEN | PGERS, 0x300)
    changed, after = mcu.flash, mcu.snapshot()
    assert len(after) == len(before) + 0x8000
    mcu.restore(before)
    assert mcu.flash == original
    mcu.restore(after)
    assert (mcu.flash, mcu.snapshot()) == (changed, after)
    with pytest.raises(SnapshotError):
        mcu.restore(after[:-1])
