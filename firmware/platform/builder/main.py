"""Build, size and upload with the system's avr-gcc and avrdude."""

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()

env.Replace(
    AR="avr-gcc-ar",
    AS="avr-as",
    CC="avr-gcc",
    CXX="avr-g++",
    LINK="avr-gcc",
    OBJCOPY="avr-objcopy",
    RANLIB="avr-gcc-ranlib",
    SIZETOOL="avr-size",
    ARFLAGS=["rcsD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.text|\.data|\.rodata|\.bootloader)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL --mcu=$BOARD_MCU -C -d $SOURCES",
)
env.Append(
    BUILDERS={
        "ElfToHex": Builder(
            action=env.VerboseAction("$OBJCOPY -O ihex -R .eeprom $SOURCES $TARGET", "Building $TARGET"),
            suffix=".hex",
        )
    }
)

if "nobuild" in COMMAND_LINE_TARGETS:  # upload what was built, as it is
    elf, hex_file = env.File("$BUILD_DIR/${PROGNAME}.elf"), env.File("$BUILD_DIR/${PROGNAME}.hex")
else:
    elf = env.BuildProgram()
    hex_file = env.ElfToHex("$BUILD_DIR/${PROGNAME}", elf)
AlwaysBuild(env.Alias("nobuild", hex_file))
build = env.Alias("buildprog", hex_file)
env.AddPlatformTarget("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program Size")
env.Replace(
    UPLOADER="avrdude",
    UPLOADCMD=("$UPLOADER -p $BOARD_MCU -c $UPLOAD_PROTOCOL -b $UPLOAD_SPEED -P $UPLOAD_PORT -D -U flash:w:$SOURCES:i"),
)
env.AddPlatformTarget(
    "upload",
    hex_file,
    [
        env.VerboseAction(env.AutodetectUploadPort, "Looking for upload port..."),
        env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"),
    ],
    "Upload",
)
Default([build])
