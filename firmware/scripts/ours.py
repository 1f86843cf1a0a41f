"""PlatformIO script: the version in the firmware, reproducible paths, and strict warnings for our own code."""

import os
from pathlib import Path

Import("env")  # noqa: F821 - given by PlatformIO's SCons

# The SAM D21's core is out of our sight: a warning in one of its headers shall not end the build.
STRICT = [] if env["PIOPLATFORM"] == "atmelsam" else ["-Werror"]  # noqa: F821
OURS = ["-Wall", "-Wextra", *STRICT]
project = Path(env.subst("$PROJECT_DIR"))  # noqa: F821
git_hash = os.environ.get("PLANTKEEPER_GIT_HASH", "nogit")

env.Append(  # noqa: F821
    CPPDEFINES=[("PK_GIT_HASH", env.StringifyMacro(git_hash)), ("PK_VERSION", env.StringifyMacro("0.1.0"))],  # noqa: F821
    CCFLAGS=[f"-fdebug-prefix-map={project}=firmware"],
)


def with_strict_warnings(env, node):
    """Compile our own sources with warnings as errors."""
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], *OURS])


for folder in ("src", "lib"):
    env.AddBuildMiddleware(with_strict_warnings, str(project / folder / "*"))  # noqa: F821
