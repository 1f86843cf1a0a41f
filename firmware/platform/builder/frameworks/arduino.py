"""The Arduino core as the distribution installs it (arduino-core-avr)."""

import os
from pathlib import Path

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
core_dir = Path(os.environ.get("PLANTKEEPER_ARDUINO_CORE", "/usr/share/arduino/hardware/arduino/avr"))
machine = [f"-mmcu={board.get('build.mcu')}"]

env.Append(
    ASFLAGS=[*machine, "-x", "assembler-with-cpp"],
    CFLAGS=["-std=gnu11"],
    CCFLAGS=[
        *machine,
        "-Os",
        "-ffunction-sections",
        "-fdata-sections",
        f"-fdebug-prefix-map={core_dir}=arduino",
    ],
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-fpermissive"],
    CPPDEFINES=[
        ("F_CPU", "$BOARD_F_CPU"),
        "ARDUINO_ARCH_AVR",
        ("ARDUINO", 10808),
        # gcc-avr 5.4 does not define it in C++, and the core's print code asks for it
        ("DECIMAL_DIG", "__DECIMAL_DIG__"),
    ],
    CPPPATH=[
        str(core_dir / "cores" / board.get("build.core")),
        str(core_dir / "variants" / board.get("build.variant")),
    ],
    LINKFLAGS=[*machine, "-Os", "-Wl,--gc-sections", "-Wl,--relax"],
    LIBS=["m"],
    LIBSOURCE_DIRS=[str(core_dir / "libraries")],
)
env.Append(CCFLAGS=env.Split(board.get("build.extra_flags", "")))
env.Append(
    LIBS=[
        env.BuildLibrary(
            os.path.join("$BUILD_DIR", "FrameworkArduino"), str(core_dir / "cores" / board.get("build.core"))
        )
    ]
)
