"""What a store's table says was not stored, sent again."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from dicomnb.errors import warn
from dicomnb.refs import UID_KEYWORDS
from dicomnb.transfer.items import FileItem
from dicomnb.transfer.upload import OUTCOME_COLUMNS, outcome_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from dicomnb.transfer.items import Item
    from dicomnb.transfer.pictures import Picture

__all__ = ["NOT_STORED", "again", "merged", "remade"]

NOT_STORED = ("failed", "conflict")


def again(table: pd.DataFrame, given: Iterable[Item]) -> tuple[list[int], list[Item]]:
    """What to send again.

    Args:
        table: of a store, or some rows of it.
        given: data sets and bytes once more; those of the table are known by SOPInstanceUID.

    Returns:
        Positions of rows that were not stored, and what to send for each. A row that came
        from a file is that file, as it is now. A row whose data set is not given again is
        left out, with a warning.

    Raises:
        ValueError: the table is not that of a store.
    """
    _check(table)
    if "Encoding" in table.columns:
        raise ValueError("retry= has the table of store_images: give it, and the images, to that.")
    held: dict[str | None, deque[Item]] = defaultdict(deque)
    for one in given:
        held[one.identity.instance].append(one)
    places: list[int] = []
    items: list[Item] = []
    lost = 0
    for place, row in enumerate(table.to_dict("records")):
        if row["Outcome"] not in NOT_STORED:
            continue
        if isinstance(row["File"], str):
            item: Item | None = FileItem(row["File"])
        else:
            queue = held.get(row["SOPInstanceUID"])
            item = queue.popleft() if queue else None
        if item is None:
            lost += 1
            continue
        places.append(place)
        items.append(item)
    if lost:
        warn(
            f"{lost} rows came from data sets or bytes, which the table does not hold: give "
            "them again, store(data_sets, retry=table)."
        )
    return places, items


def remade(table: pd.DataFrame, pictures: Sequence[Picture]) -> list[int]:
    """Which pictures to store again; each is given the UIDs that its row has.

    Raises:
        ValueError: the table is not that of a store of as many images.
    """
    _check(table)
    if len(table) != len(pictures):
        raise ValueError(
            f"retry= has {len(table)} rows, but there are {len(pictures)} images: give the same "
            "images again, all of them."
        )
    rows = table.to_dict("records")
    for row, picture in zip(rows, pictures, strict=True):
        for keyword in UID_KEYWORDS.values():
            if isinstance(row[keyword], str):
                setattr(picture.given, keyword, row[keyword])
    return [place for place, row in enumerate(rows) if row["Outcome"] in NOT_STORED]


def _check(table: pd.DataFrame) -> None:
    missing = [name for name in OUTCOME_COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(f"retry= takes the table of a store; this one has no {missing[0]}.")


def merged(table: pd.DataFrame, places: list[int], news: pd.DataFrame) -> pd.DataFrame:
    """The table with new outcomes in the places of the old ones."""
    rows = table.to_dict("records")
    for place, row in zip(places, news.to_dict("records"), strict=True):
        rows[place] = {**rows[place], **row}
    return outcome_table(rows, index=table.index)  # type: ignore[arg-type]
