"""Thumbnails of what is selected, fetched beside all else and kept for a while."""

from __future__ import annotations

import io
import itertools
import re
import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from dicomnb.errors import Cancelled, DicomnbError, RefError, heard
from dicomnb.pool import closed_after, side_by_side
from dicomnb.refs import refs_of
from dicomnb.widgets.background import Background
from dicomnb.widgets.trails import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from dicomnb.archive import Archive
    from dicomnb.pool import Cancel
    from dicomnb.refs import Level, Ref

__all__ = ["Pictures"]

MOST = 24
"""How many rows are drawn at most."""
SIZE = 128
_KEPT = 240
_WORKERS = 4

_ADDRESS = re.compile(r"^studies/\S+")
"""With which an error begins; the caption says better what it is of."""

Picture = tuple[bytes | None, str]
"""A PNG, or None with the reason."""


class Pictures:
    """Sends thumbnails of rows to a front end, each as soon as it is there.

    Messages: ``pictures`` (``turn``, ``items`` with ``caption`` each, ``all``: of how many rows
    they are the first), then for each ``picture`` (``turn``, ``index``, ``reason``) with the PNG
    as its buffer, or without one and with the reason. What belongs to an older turn is dropped.

    Args:
        send: sends a custom message with buffers.
        tell: calls a function on the kernel's loop.
        failed: is told of an error that costs more than one picture.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], Sequence[bytes]], None],
        tell: Callable[[Callable[[], None]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._send = send
        self._tell = tell
        self._background = Background("dicomnb-thumbnails", failed)
        self._turns = itertools.count(1)
        self._turn = 0
        self._cancel: Cancel | None = None
        self._kept: OrderedDict[Ref, Picture] = OrderedDict()
        self._lock = threading.Lock()
        self._items: list[tuple[Ref | None, str, str]] = []
        self._all = 0
        self._archive: Archive | None = None

    def show(self, archive: Archive | None, rows: pd.DataFrame, level: Level) -> None:
        """Draw these rows, the first of them; whatever was being drawn is given up."""
        if archive is not self._archive:
            self._kept = OrderedDict()  # not emptied: what is being drawn now belongs to the other
        self._archive = archive
        first = rows.iloc[:MOST] if archive is not None else rows.iloc[:0]
        self._items = [_item(first.iloc[[at]], level) for at in range(len(first))]
        self._all = len(rows)
        self.again()

    def again(self) -> None:
        """Tell all of it once more, to a view that came later."""
        if self._cancel is not None:
            self._cancel.set()
        turn = self._turn = next(self._turns)
        items = list(self._items)
        told = {"kind": "pictures", "turn": turn, "all": self._all}
        self._send({**told, "items": [{"caption": caption} for _, caption, _ in items]}, [])
        archive, kept = self._archive, self._kept
        if archive is not None and items:
            self._cancel = self._background.run(
                lambda cancel: self._draw(archive, kept, items, turn, cancel)
            )

    def wait(self) -> None:
        """Until all are drawn; for scripts and tests."""
        self._background.wait()

    def stop(self) -> None:
        """Give up what is being drawn."""
        self._background.stop()

    def _draw(
        self,
        archive: Archive,
        kept: OrderedDict[Ref, Picture],
        items: list[tuple[Ref | None, str, str]],
        turn: int,
        cancel: Cancel,
    ) -> None:
        def draw(index: int, inner: Cancel) -> tuple[int, Picture]:
            ref, _, reason = items[index]
            if ref is None:
                return index, (None, reason)
            with self._lock:
                picture = kept.get(ref)
            picture = picture or _drawn(archive, ref, inner)
            self._keep(kept, ref, picture)
            return index, picture

        workers = min(_WORKERS, archive.options.workers)
        # What is warned of while drawing concerns whoever opens the image.
        with heard():
            all_of_them = side_by_side(
                draw, range(len(items)), workers=workers, cancel=cancel, ordered=False
            )
            with closed_after(all_of_them) as drawn:
                for index, picture in drawn:
                    self._tell(partial(self._hand, turn, index, *picture))

    def _keep(self, kept: OrderedDict[Ref, Picture], ref: Ref, picture: Picture) -> None:
        with self._lock:
            if picture[0] is not None:
                kept[ref] = picture
                kept.move_to_end(ref)
            while len(kept) > _KEPT:
                kept.popitem(last=False)

    def _hand(self, turn: int, index: int, png: bytes | None, reason: str) -> None:
        if turn == self._turn:
            message = {"kind": "picture", "turn": turn, "index": index, "reason": reason}
            self._send(message, [] if png is None else [png])


def _drawn(archive: Archive, ref: Ref, cancel: Cancel) -> Picture:
    """A PNG, or why there is none: that costs no other picture."""
    buffer = io.BytesIO()
    try:
        archive.thumbnail(ref, size=SIZE, cancel=cancel).save(buffer, format="PNG")
    except Cancelled:
        raise
    except DicomnbError as error:
        return None, _ADDRESS.sub("It", str(error).partition("\n")[0])
    except Exception as error:  # noqa: BLE001 - whatever it is, a person must see it
        return None, f"{type(error).__name__}: {error}".partition("\n")[0]
    return buffer.getvalue(), ""


def _item(row: pd.DataFrame, level: Level) -> tuple[Ref | None, str, str]:
    """What a row means, its caption, and why it means nothing."""
    try:
        return refs_of(row)[0], words_of(row, level), ""
    except RefError as error:
        return None, words_of(row, level), str(error)
