"""Builds the emulator's C core as a plain shared library: a C compiler is enough, Python's headers are not used."""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("plantkeeper_sim/avr/core")
WARNINGS = ["-Wall", "-Wextra", *(["-Werror"] if os.environ.get("PLANTKEEPER_WERROR") == "1" else [])]


class BuildSharedLibrary(build_ext):
    """A library for cffi's dlopen: no init function, and one name on every platform and Python."""

    def get_export_symbols(self, ext: object) -> list[str]:
        """Nothing but what the C code itself exports."""
        del ext  # the same for every one
        return []

    def get_ext_filename(self, fullname: str) -> str:
        """`_core.so`, without the Python version in it."""
        return str(Path(*fullname.split("."))) + ".so"


setup(
    ext_modules=[
        Extension(
            "plantkeeper_sim.avr._core",
            sources=[str(path) for path in sorted(CORE.glob("*.c"))],
            depends=[str(path) for path in sorted(CORE.glob("*.[hd]*"))],
            extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", "-fno-plt", *WARNINGS],
        )
    ],
    cmdclass={"build_ext": BuildSharedLibrary},
)
