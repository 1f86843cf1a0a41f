"""A setting from the environment, or from the file that the variable with `_FILE` after its name names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plantkeeper_db.errors import UsageError

FILE_SUFFIX = "_FILE"


def read(environment: Mapping[str, str], variable: str) -> str | None:
    """The value of a setting; None where it is not set, an empty variable being the same.

    Raises:
        UsageError: it is set twice, or its file cannot be read, or is empty.
    """
    text, path = environment.get(variable, "").strip(), environment.get(variable + FILE_SUFFIX, "").strip()
    if text and path:
        raise UsageError(f"{variable} and {variable}{FILE_SUFFIX} are both set; expected one of them")
    if not path:
        return text or None
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{variable}{FILE_SUFFIX} is {path!r}, which cannot be read: {reason}") from error
    if not text:
        raise UsageError(f"{variable}{FILE_SUFFIX} is {path!r}, which is empty; expected the value in it")
    return text
