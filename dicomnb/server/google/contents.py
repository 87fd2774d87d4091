"""Everything in a store, instance by instance, whatever source it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.pool import closed_after
from dicomnb.query import Query
from dicomnb.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dicomnb.pool import Cancel
    from dicomnb.refs import Level
    from dicomnb.source import Source

__all__ = ["count_rows", "instance_refs", "metadata_rows", "stored_bytes"]

_UIDS = ("0020000D", "0020000E", "00080018")
_rows = msgspec.json.Decoder(list[dict[str, Any]])


def instance_refs(
    source: Source, within: Iterable[Ref] | None, *, cancel: Cancel | None = None
) -> list[Ref]:
    """The instances of a source, or of some studies, series and instances in it."""
    found: dict[Ref, None] = {}
    for ref in (None,) if within is None else within:
        whole = ref if ref is None or ref.instance is None else ref.at("series")
        query = Query("instance", within=whole, fields=_UIDS)
        with closed_after(source.search(query, cancel=cancel)) as pages:
            for page in pages:
                for row in _rows.decode(page.rows):
                    one = Ref(*(row[tag]["Value"][0] for tag in _UIDS))
                    if ref is None or one in ref:
                        found[one] = None
    return list(found)


def metadata_rows(
    source: Source, ref: Ref, *, cancel: Cancel | None = None
) -> Iterator[dict[str, Any]]:
    """The attributes of each instance, as DICOM JSON."""
    with closed_after(source.metadata(ref, cancel=cancel)) as pages:
        for page in pages:
            yield from _rows.decode(page.rows)


def count_rows(source: Source, level: Level, within: Ref | None) -> int:
    """How many studies, series or instances there are."""
    with closed_after(source.search(Query(level, within=within))) as pages:
        return sum(page.count for page in pages)


def stored_bytes(source: Source, refs: Iterable[Ref]) -> int:
    """The size of instances as they are stored, in bytes."""
    total = 0
    for ref in refs:
        with closed_after(source.instances(ref)) as parts:
            total += sum(part.length or 0 for part in parts)
    return total
