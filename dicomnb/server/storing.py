"""Store and delete (PS3.18 section 10.5; delete is Supplement 194's, as all servers have it)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dicomnb.errors import ProtocolError
from dicomnb.refs import Ref
from dicomnb.server.answers import Answer, Refused, json_answer, public_words
from dicomnb.server.negotiation import json_type
from dicomnb.wire import media, multipart, store_answer

if TYPE_CHECKING:
    from dicomnb.server.exchange import Exchange
    from dicomnb.wire.parts import Part
    from dicomnb.wire.storing import Outcome

__all__ = ["Spooled", "as_here", "delete", "received", "store"]

PIECE_BYTES = 1 << 20
MOST_PARTS = 1 << 16
"""Of one request. A part of no bytes costs a file; a study has some thousand instances."""


@dataclass(frozen=True)
class Spooled:
    """A part of a request that has come in whole, in a temporary file.

    Attributes:
        path: the file.
        name: what to call it in a message.
        media_type: of its header, without parameters.
        transfer_syntax: of its header, or None.
        location: its Content-Location, or None.
    """

    path: Path
    name: str
    media_type: str = media.DICOM
    transfer_syntax: str | None = None
    location: str | None = None

    @property
    def length(self) -> int:
        """Size in bytes."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """The file, opened for reading."""
        return self.path.open("rb")


def store(exchange: Exchange) -> Answer:
    """Store the instances of a body, after all of it has come.

    Each part goes to a temporary file of its own, so that memory stays small whatever is
    sent, and nothing at all is stored of a body that breaks off.

    Returns:
        200, 202 or 409 with the Store Instances Response Module.

    Raises:
        Refused: 400, the body is not what its header says; 406, 415, media types.
        LimitExceeded: the body is larger than ``limits.upload_bytes``.
    """
    kind = json_type(exchange)
    _check_content_type(exchange)
    ref = exchange.ref
    with tempfile.TemporaryDirectory(prefix="dicomnb-store-") as folder:
        uploads = received(exchange, Path(folder))
        service = exchange.service
        outcomes = service.source.store(
            uploads, study=ref.study if ref else None, cancel=service.cancel
        )
    stored = [as_here(exchange, one) for one in outcomes]
    studies = {one.study for one in stored if one.url and one.study}
    study_url = exchange.url(Ref(studies.pop())) if len(studies) == 1 else None
    body, status = store_answer.encode(stored, study_url=study_url)
    return Answer(status, kind, body)


def delete(exchange: Exchange) -> Answer:
    """Delete a study, series or instance: 204, or 202 while the source still works on it."""
    service = exchange.service
    operation = service.source.delete(exchange.target, cancel=service.cancel)
    if operation is None:
        return Answer(204)
    return json_answer(202, {"operation": operation.name})


def _check_content_type(exchange: Exchange) -> None:
    given = media.parse(exchange.request.headers.get("Content-Type"))
    kind = given.type if given else ""
    inner = given.part_type if given else None
    if kind == media.DICOM or (kind == "multipart/related" and inner in (None, media.DICOM)):
        return
    offers = f"{media.multipart_related(media.DICOM)} or {media.DICOM}"
    raise Refused(415, f"Instances are stored as {offers}.", ("Accept-Post", "multipart/related"))


def received(
    exchange: Exchange, folder: Path, *, kinds: frozenset[str] = frozenset({media.DICOM})
) -> list[Spooled]:
    """The parts as files, after the body has been read to its very end.

    Args:
        exchange: the request.
        folder: where to put the files.
        kinds: media types that a part may have.

    Raises:
        Refused: 400, the body is not what its header says; 413, too many parts; 415.
    """
    body = exchange.body
    kind = exchange.request.headers.get("Content-Type")
    limits = exchange.service.limits
    scratch = bytearray(PIECE_BYTES)
    try:
        parts = multipart.read(body, kind, length=body.length, limits=limits)
        uploads = []
        for number, part in enumerate(parts, 1):
            if number > MOST_PARTS:
                raise Refused(413, f"No more than {MOST_PARTS:,} instances are stored at once.")
            if part.media_type not in kinds:
                offers = " or ".join(sorted(kinds))
                raise Refused(415, f"The type of part {number} is {part.media_type}, not {offers}.")
            uploads.append(_spooled(part, folder / str(number), f"part {number}", scratch))
        while body.readinto(scratch):  # an epilogue, the end of the last chunk
            pass
    except ProtocolError as error:
        raise Refused(400, f"Nothing was stored, as the body cannot be read. {error}") from error
    if not uploads:
        raise Refused(400, "The body has no parts: there is nothing to store.")
    return uploads


def _spooled(part: Part, path: Path, name: str, scratch: bytearray) -> Spooled:
    buffer = memoryview(scratch)
    with path.open("wb") as file:
        while count := part.readinto(buffer):
            file.write(buffer[:count])
    return Spooled(path, name, part.media_type, part.transfer_syntax, part.location)


def as_here(exchange: Exchange, outcome: Outcome) -> Outcome:
    """The outcome with a RetrieveURL of this server, where something was stored, and a reason
    without the paths of this machine.
    """
    url = None
    if outcome.outcome in ("stored", "warned", "already there"):
        uids = (outcome.study, outcome.series, outcome.instance)
        url = exchange.url(Ref(*uids)) if all(uids) else None  # type: ignore[arg-type]
    address = exchange.service.source.address
    return replace(outcome, url=url, reason=public_words(outcome.reason, address))
