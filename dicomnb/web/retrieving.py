"""What a retrieval asks for, and the check that the answer is of that kind. Pure but for I/O."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from dicomnb.errors import BadQuery, NotFound, ProtocolError, Unsupported
from dicomnb.web.failures import words_of
from dicomnb.web.ladder import is_about_frames
from dicomnb.wire import multipart
from dicomnb.wire.media import parse

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from dicomnb.limits import Limits
    from dicomnb.refs import Ref
    from dicomnb.source import Abilities, Rendering
    from dicomnb.web.answer import Answer
    from dicomnb.wire.parts import Part

__all__ = [
    "PARTIAL",
    "PARTIAL_WORDS",
    "all_parts_of",
    "counted",
    "frame_lists",
    "no_such_frame",
    "parts_of",
    "rendered_request",
    "thumbnail_requests",
    "with_content",
]

URL_CHARACTERS = 2000
"""What every proxy lets pass."""
PARTIAL = 206
"""Partial Content: of what was asked for, some is missing (PS3.18 section 10.4.3)."""
PARTIAL_WORDS = "The server says that it gives some of the instances only (HTTP 206)."


def parts_of(answer: Answer, limits: Limits, *, pictures: bool = False) -> Generator[Part]:
    """The parts of an answer; it is finished after the last and closed in any case.

    Raises:
        ProtocolError: a web page or JSON came instead, or the answer is not whole.
    """
    with answer:
        if answer.status == 204:
            return
        media = parse(answer.content_type)
        kind = media.type if media else ""
        is_wrong = kind in ("text/html", "application/json", "application/dicom+json")
        if pictures and not is_wrong:
            is_wrong = not kind.startswith(("image/", "video/", "multipart/", "application/octet"))
        if is_wrong:
            what = f"The answer is {kind}, which was not asked for."
            raise answer.error(what, words=_some_words(answer))
        yield from multipart.read(
            answer, answer.content_type, length=answer.length, limits=limits, url=answer.url
        )
        answer.finish()


def all_parts_of(answer: Answer, limits: Limits) -> Generator[Part]:
    """The parts of an answer that should hold several instances.

    Raises:
        ProtocolError: also after the last part, if the server says that others are missing.
    """
    yield from parts_of(answer, limits)
    if answer.status == PARTIAL:
        raise answer.error(f"The answer is not whole. {PARTIAL_WORDS}", cut=True)


def _some_words(answer: Answer) -> str:
    room = bytearray(4096)
    return words_of(bytes(room[: answer.readinto(room)]))


def frame_lists(ref: Ref, numbers: Sequence[int], *, base: str) -> list[list[int]]:
    """Frame numbers in as few requests as their URLs allow.

    Each list ascends: servers send the frames of one request as asked for or sorted, and each
    frame once.

    Raises:
        ValueError: a number below 1.
    """
    wrong = [number for number in numbers if number < 1]
    if wrong:
        raise ValueError(f"Frame numbers count from 1, as in DICOM; not {wrong[0]}.")
    room = max(URL_CHARACTERS - len(f"{base}/{ref.path}/frames/"), 20)
    lists: list[list[int]] = []
    length = 0
    for number in numbers:
        added = len(str(number)) + 1
        if not lists or number <= lists[-1][-1] or length + added > room:
            lists.append([])
            length = 0
        lists[-1].append(number)
        length += added
    return lists


def counted(parts: Generator[Part], asked: Sequence[int], *, url: str) -> Iterator[Part]:
    """The parts, as many as frames were asked for.

    Raises:
        ProtocolError: there are fewer or more.
    """
    count = 0
    with closing(parts):
        for part in parts:
            count += 1
            if count > len(asked):
                raise ProtocolError(f"More parts came than {len(asked)} frames.", url=url)
            yield part
    if count < len(asked):
        raise ProtocolError(f"{count} parts came for {len(asked)} frames.", url=url, cut=True)


def no_such_frame(error: BadQuery) -> BadQuery | NotFound:
    """`NotFound` where a 400 is Orthanc's way to say that there is no such frame."""
    if not is_about_frames(error):
        return error
    return NotFound(
        "The instance has no frame of that number.",
        url=error.url,
        status=error.status,
        server_words=error.server_words,
    )


def rendered_request(
    ref: Ref, rendering: Rendering, abilities: Abilities, *, url: str
) -> tuple[str, list[tuple[str, str]]]:
    """Path and parameters of a rendering (PS3.18 section 8.3.5).

    Raises:
        Unsupported: the server cannot draw this level, or takes no such parameter.
        ValueError: a frame number below 1, or a frame of something else than an instance.
    """
    if ref.level not in abilities.renders:
        levels = ", ".join(sorted(abilities.renders)) or "nothing"
        raise Unsupported(f"This server draws {levels}, no {ref.level}.", url=url)
    given: dict[str, str] = {}
    if rendering.window is not None:
        given["window"] = "{:g},{:g},linear".format(*rendering.window)
    if rendering.viewport is not None:
        given["viewport"] = "{:d},{:d}".format(*rendering.viewport)
    if rendering.quality is not None:
        given["quality"] = str(rendering.quality)
    missing = [name for name in given if name not in abilities.render_parameters]
    if missing:
        raise Unsupported(
            f"This server draws without {' and '.join(missing)}; leave it out, or draw the "
            "pixels here (archive.frames, dicomnb.plots.show).",
            url=url,
        )
    return f"{_pictured(ref, rendering)}/rendered", list(given.items())


def thumbnail_requests(
    ref: Ref, rendering: Rendering, abilities: Abilities
) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Path and parameters of each service that may give a small picture, by the service's name.

    Whether a server has ``thumbnail`` (PS3.18 section 10.4.1.1.4) is found out by asking;
    ``rendered`` is asked of levels that it draws as one picture.

    Raises:
        ValueError: a frame number below 1, or a frame of something else than an instance.
    """
    path = _pictured(ref, rendering)
    viewport: list[tuple[str, str]] = []
    if rendering.viewport is not None:
        viewport = [("viewport", "{:d},{:d}".format(*rendering.viewport))]
    requests = {"thumbnail": (f"{path}/thumbnail", viewport)}
    is_one = ref.level == "instance" or not abilities.renders_each
    if is_one and ref.level in abilities.renders:
        fits = "viewport" in abilities.render_parameters and not abilities.pads
        requests["rendered"] = (f"{path}/rendered", viewport if fits else [])
    return requests


def with_content(answer: Answer) -> Answer:
    """The answer, unless it says that there is none.

    Raises:
        NotFound: 204.
    """
    if answer.status != 204:
        return answer
    answer.finish()
    raise NotFound("The server has no such thing: GET.", url=answer.url, status=204)


def _pictured(ref: Ref, rendering: Rendering) -> str:
    """The path of what is pictured."""
    if rendering.frame is None:
        return ref.path
    if ref.level != "instance" or rendering.frame < 1:
        raise ValueError("frame= is the number, from 1, of a frame of an instance.")
    return f"{ref.path}/frames/{rendering.frame}"
