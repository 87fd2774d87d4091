"""Content negotiation: forms to ask for one after the other, and what worked, remembered.

Servers read the Accept header in ways of their own (PS3.18 section 8.7): some refuse
``transfer-syntax=*``, some want it, some give single parts only, lists are not reliable. So one
form is asked for at a time, the best first, and the next only when the server refuses the form.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomnb.errors import BadQuery, DicomWebError, NotFound, Unsupported, warn
from dicomnb.wire.media import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    OCTET_STREAM,
    format,
    multipart_related,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dicomnb.web.answer import Answer

__all__ = [
    "METADATA",
    "Ladders",
    "Rung",
    "bulk_rungs",
    "frame_rungs",
    "instance_rungs",
    "picture_rungs",
    "thumbnail_rungs",
]

_REFUSALS = frozenset({400, 406, 415})
"""What servers answer to a form that they do not give; Orthanc and dcm4chee 400 and 406."""
_COMPRESSED = ("jpeg", "jls", "jp2", "jpx", "jphc", "dicom-rle")
"""``image/…`` types of compressed frames, the commonest first."""
_OFTEN = 3
"""After how many requests a server is believed to refuse ``*`` for good."""


@dataclass(frozen=True)
class Rung:
    """One form to ask for."""

    accept: str
    """The Accept header."""
    as_asked: bool = True
    """Whether the form itself says in what transfer syntax the data come; where not, the server
    may transcode, and the user is told."""
    service: str = ""
    """What is asked, where a server has several services that would do: ``"thumbnail"``,
    ``"rendered"``. One that is not there leaves the others to be asked."""


METADATA = (
    Rung(DICOM_JSON),
    Rung("application/json"),
    Rung(multipart_related(DICOM_XML)),
    Rung(DICOM_XML),
)
"""Forms of metadata: JSON; XML in a part an instance (PS3.18 section 8.7.3.2); XML of one."""


def instance_rungs(transfer_syntax: str, *, single: bool) -> tuple[Rung, ...]:
    """Forms of Part 10 instances.

    ``*`` is said aloud first: without it Google transcodes. A syntax that was asked for by its
    UID is in every form: nothing else would be an answer.

    Args:
        single: whether one instance is asked for, which need not come as multipart.
    """
    rungs = [Rung(multipart_related(DICOM, transfer_syntax=transfer_syntax))]
    rungs += [Rung(format(DICOM, {"transfer-syntax": transfer_syntax}))] if single else []
    if transfer_syntax == "*":
        rungs.append(Rung(multipart_related(DICOM), as_asked=False))
        rungs += [Rung(DICOM, as_asked=False)] if single else []
    return tuple(rungs)


def frame_rungs(transfer_syntax: str) -> tuple[Rung, ...]:
    """Forms of frames.

    A server that refuses ``*`` is asked for compressed frames by their types before it may
    decompress them.
    """
    rungs = [Rung(multipart_related(OCTET_STREAM, transfer_syntax=transfer_syntax))]
    if transfer_syntax == "*":
        kinds = (f"image/{kind}" for kind in _COMPRESSED)
        rungs += [Rung(multipart_related(kind), as_asked=False) for kind in kinds]
        rungs.append(Rung(multipart_related(OCTET_STREAM), as_asked=False))
    return tuple(rungs)


def bulk_rungs() -> tuple[Rung, ...]:
    """Forms of bulk data. Only pixels have a transfer syntax, so that none need be told of it."""
    syntax = {"transfer-syntax": "*"}
    return (
        Rung(multipart_related(OCTET_STREAM, transfer_syntax="*")),
        Rung(format(OCTET_STREAM, syntax)),
        Rung(multipart_related(OCTET_STREAM)),
        Rung(OCTET_STREAM),
        Rung("*/*"),
    )


def picture_rungs(kind: str) -> tuple[Rung, ...]:
    """Forms of pictures, ``"png"`` or ``"jpeg"``: one, or several in parts.

    The other kind is never asked for in its place: PNG shows values as they were drawn, and
    JPEG does not, so that the choice is the caller's.
    """
    return (Rung(f"image/{kind}"), Rung(multipart_related(f"image/{kind}")))


def thumbnail_rungs(kind: str | None, services: Iterable[str]) -> tuple[Rung, ...]:
    """Forms of a small picture, service by service.

    Args:
        kind: ``"png"``, ``"jpeg"``, or None for either: then JPEG first, which the standard has
            every server give.
        services: the best first.
    """
    kinds = (kind,) if kind else ("jpeg", "png")
    return tuple(Rung(f"image/{kind}", service=service) for service in services for kind in kinds)


class Ladders:
    """What worked on one connection, by family of requests.

    A family begins with the form that worked last; the others follow in their order.
    """

    def __init__(self) -> None:
        self._worked: dict[str, Rung] = {}
        self._transcoded: Counter[str] = Counter()
        self._told: set[str] = set()

    def climb(self, family: str, rungs: Sequence[Rung], ask: Callable[[Rung], Answer]) -> Answer:
        """Ask for one form after the other until the server gives one.

        Args:
            family: under what name to remember which worked: ``"frames"``.
            rungs: the forms, the best first.
            ask: sends one request for the form that it is handed.

        Raises:
            Unsupported, BadQuery, NotFound: every form was refused; tells each with the
                server's words.
            DicomWebError: anything else than 400, 406 or 415 is raised at once, but for what
                says that one of several services is not there.
        """
        refused: list[tuple[Rung, DicomWebError]] = []
        absent: set[str] = set()
        for rung in self._in_order(family, rungs):
            if rung.service in absent:
                continue
            try:
                answer = ask(rung)
            except (BadQuery, NotFound, Unsupported) as error:
                is_absent = bool(rung.service) and isinstance(error, NotFound | Unsupported)
                is_refused = error.status in _REFUSALS and not is_about_frames(error)
                if not (is_refused or is_absent):
                    raise
                if not is_refused:
                    absent.add(rung.service)
                refused.append((rung, error))
                continue
            try:
                self._remember(family, rung)
            except BaseException:  # a warning that was made an error
                answer.close()
                raise
            return answer
        raise _all_refused(refused)

    def _in_order(self, family: str, rungs: Sequence[Rung]) -> list[Rung]:
        worked = self._worked.get(family)
        if worked is None or worked not in rungs:
            return list(rungs)
        return [worked, *(rung for rung in rungs if rung != worked)]

    def _remember(self, family: str, rung: Rung) -> None:
        """A form that may be transcoded is begun with only where no other has ever worked:
        that one object could not be had as stored says nothing of the next."""
        if rung.as_asked:
            self._worked[family] = rung
            return
        self._tell(family, rung)
        self._transcoded[family] += 1
        if self._transcoded[family] >= _OFTEN and family not in self._worked:
            self._worked[family] = rung

    def _tell(self, family: str, rung: Rung) -> None:
        if family in self._told:
            return
        self._told.add(family)
        warn(
            f"The server refuses to give {family} as they are stored (transfer-syntax=*); it was "
            f"asked for {rung.accept} and may have transcoded them. Said once a connection."
        )


def is_about_frames(error: DicomWebError) -> bool:
    """Whether a refusal is Orthanc's way to say that there is no frame of that number."""
    return error.status == 400 and "out of range" in error.server_words.lower()


def _all_refused(refused: Sequence[tuple[Rung, DicomWebError]]) -> DicomWebError:
    """One error for all forms; a single form's own error stays as it is."""
    first = refused[0][1]
    if len(refused) == 1:
        return first
    kinds = {type(error) for _, error in refused}
    lines = [
        f"  {f'{rung.service}, ' if rung.service else ''}{rung.accept}: HTTP {error.status}"
        + (f", {error.server_words}" if error.server_words else "")
        for rung, error in refused
    ]
    kind = kinds.pop() if len(kinds) == 1 else Unsupported
    return kind(
        "\n".join([f"{first.message}\nRefused was, in this order:", *lines]),
        url=first.url,
        status=first.status,
        server_words=first.server_words,
    )
