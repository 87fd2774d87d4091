"""What went wrong, in words for a person who sees a panel and no traceback."""

from __future__ import annotations

from dicomnb.errors import DicomnbError

__all__ = ["in_words"]


def in_words(error: BaseException) -> str:
    """The words of an error, and before them its kind where they alone may not tell.

    Errors of dicomnb are sentences that say what to do, and so is a missing file that it tells
    of (one of the system's has a number).

    Example:
        >>> in_words(KeyError("x")), in_words(FileNotFoundError("No file 'x'."))
        ("KeyError: 'x'", "No file 'x'.")
    """
    is_sentence = isinstance(error, DicomnbError)
    is_sentence |= isinstance(error, FileNotFoundError) and error.errno is None
    return str(error) if is_sentence else f"{type(error).__name__}: {error}"
