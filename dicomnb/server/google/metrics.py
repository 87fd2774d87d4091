"""How much is in a store, a study, a series and an instance; all counts are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicomnb.errors import NotFound
from dicomnb.server.google.contents import (
    count_rows,
    instance_refs,
    metadata_rows,
    stored_bytes,
)

if TYPE_CHECKING:
    from dicomnb.refs import Ref
    from dicomnb.server.answers import Answer
    from dicomnb.server.google.calls import Call, StoreExchange
    from dicomnb.source import Source

__all__ = ["instance_storage", "series_metrics", "store_metrics", "study_metrics"]


def store_metrics(call: Call) -> Answer:
    """Studies, series, instances and bytes of a store."""
    store = call.store
    source = store.service.source
    counts = {
        f"{level}Count": str(count_rows(source, level, None))
        for level in ("study", "series", "instance")
    }
    return call.answer(
        {"name": store.name, **counts, **_sizes(source, instance_refs(source, None))}
    )


def study_metrics(exchange: StoreExchange) -> Answer:
    """Series, instances and bytes of a study."""
    ref, source = exchange.target, exchange.service.source
    refs = _instances(source, ref)
    counts = {
        "seriesCount": str(count_rows(source, "series", ref)),
        "instanceCount": str(len(refs)),
    }
    return exchange.call.answer({"study": _name(exchange), **counts, **_sizes(source, refs)})


def series_metrics(exchange: StoreExchange) -> Answer:
    """Instances and bytes of a series."""
    source = exchange.service.source
    refs = _instances(source, exchange.target)
    answer = {"series": _name(exchange), "instanceCount": str(len(refs)), **_sizes(source, refs)}
    return exchange.call.answer(answer)


def instance_storage(exchange: StoreExchange) -> Answer:
    """How an instance is stored: bytes of its pixels and of its attributes."""
    source = exchange.service.source
    sizes = _sizes(source, _instances(source, exchange.target))
    return exchange.call.answer(
        {
            "referencedResource": _name(exchange),
            "blobStorageInfo": {
                "sizeBytes": sizes["blobStorageSizeBytes"],
                "storageClass": "STANDARD",
            },
            "structuredStorageInfo": {"sizeBytes": sizes["structuredStorageSizeBytes"]},
        }
    )


def _instances(source: Source, ref: Ref) -> list[Ref]:
    refs = instance_refs(source, [ref])
    if not refs:
        raise NotFound(f"There is no {ref.level} {ref.uid}.")
    return refs


def _sizes(source: Source, refs: list[Ref]) -> dict[str, Any]:
    """Bytes as stored, and of the attributes as DICOM JSON, which is what is searched."""
    import msgspec

    rows = (row for ref in refs for row in metadata_rows(source, ref))
    structured = sum(len(msgspec.json.encode(row)) for row in rows)
    return {
        "structuredStorageSizeBytes": str(structured),
        "blobStorageSizeBytes": str(stored_bytes(source, refs)),
    }


def _name(exchange: StoreExchange) -> str:
    """The full name of what was asked for."""
    return f"{exchange.call.store.name}/dicomWeb/{exchange.target.path}"
