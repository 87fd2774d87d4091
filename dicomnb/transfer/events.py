"""What a transfer tells while it runs, and the bar that shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Progress", "Tell", "Telling", "telling"]


@dataclass(frozen=True)
class Progress:
    """How far some work has come.

    Attributes:
        done: rows or instances finished.
        bytes_done: bytes moved.
        total: rows or instances in all, or None while that is not known.
    """

    done: int
    bytes_done: int = 0
    total: int | None = None


Tell = Callable[[Progress], None]
Telling = bool | Tell | None
"""What ``progress=`` may be: None or False for silence, True for a bar, or a function."""


@contextlib.contextmanager
def telling(progress: Telling, label: str, *, unit: str = "instance") -> Iterator[Tell]:
    """What ``progress=`` asks for, for the length of a ``with`` block."""
    if callable(progress):
        yield progress
    elif not progress:
        yield _silent
    else:
        from tqdm.auto import tqdm

        with tqdm(desc=label, unit=f" {unit}", leave=False) as bar:

            def draw(told: Progress) -> None:
                bar.total = told.total
                if told.bytes_done:
                    bar.set_postfix_str(f"{told.bytes_done / 1e6:,.1f} MB", refresh=False)
                bar.update(told.done - bar.n)

            yield draw


def _silent(progress: Progress) -> None:
    """Say nothing."""
