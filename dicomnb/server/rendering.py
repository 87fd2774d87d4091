"""Rendered pictures (PS3.18 sections 8.3.5 and 10.4.1.1.3)."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dicomnb.errors import NotFound
from dicomnb.representative import thumbnail_parts
from dicomnb.server.answers import Answer, Begun, Refused
from dicomnb.server.negotiation import not_acceptable
from dicomnb.server.retrieval import frame_numbers
from dicomnb.source import Rendering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dicomnb.server.exchange import Exchange
    from dicomnb.wire.parts import Part

__all__ = ["rendered", "thumbnail"]

FORMATS: Mapping[str, Literal["jpeg", "png"]] = {"image/jpeg": "jpeg", "image/png": "png"}
"""Media type → format, the standard's default first."""
THUMBNAIL_VIEWPORT = "128,128"
LONGEST_SIDE = 1 << 14
MOST_PIXELS = 1 << 25
"""Of a picture: an 8K screen has as many."""
_SIZE = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


def rendered(
    exchange: Exchange,
    *,
    parameters: frozenset[str] | None = None,
    ignores_others: bool = False,
) -> Answer:
    """A picture of an instance, of one of its frames, or of a series where the source can.

    Args:
        exchange: the request.
        parameters: that it may have; None: all that the source knows.
        ignores_others: whether others change nothing, instead of being refused.

    Raises:
        Refused: 406, neither JPEG nor PNG is accepted; 400, a parameter that is malformed or
            not known. It is not ignored unless ``ignores_others``: the picture would not be
            what was asked for.
    """
    kind = _kind(exchange)
    service = exchange.service
    known = service.abilities.render_parameters if parameters is None else parameters
    given = _given(exchange, known, ignores_others)
    rendering = _rendering(exchange, FORMATS[kind], given)
    with service.drawing:
        parts = service.source.rendered(exchange.target, rendering, cancel=service.cancel)
        return _picture(exchange, kind, parts)


def thumbnail(exchange: Exchange) -> Answer:
    """A small picture of a study, series, instance or frame (PS3.18 section 10.4.1.1.4).

    Of a study or series that of its middle instance, of an instance its middle frame. Its one
    parameter is ``viewport``.

    Raises:
        Refused: as for `rendered`.
    """
    kind = _kind(exchange)
    service = exchange.service
    given = {"viewport": THUMBNAIL_VIEWPORT, **_given(exchange, frozenset({"viewport"}), False)}
    rendering = replace(_rendering(exchange, FORMATS[kind], given), thumbnail=True)
    with service.drawing:
        parts = thumbnail_parts(service.source, exchange.target, rendering, cancel=service.cancel)
        return _picture(exchange, kind, parts)


def _kind(exchange: Exchange) -> str:
    """The media type of the picture that the client wants most."""
    offers = list(FORMATS)
    kind = next((offer for offer, _ in exchange.wanted(offers)), None)
    if kind is None:
        raise not_acceptable(offers)
    return kind


def _picture(exchange: Exchange, kind: str, parts: Iterator[Part]) -> Answer:
    with contextlib.closing(Begun(parts)) as begun:
        if begun.first is None:
            raise NotFound(f"There is nothing to draw at {exchange.target.path}.")
        return Answer(200, kind, begun.first.read())


def _given(exchange: Exchange, known: frozenset[str], ignores_others: bool) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in exchange.parameters():
        if name not in known and ignores_others:
            continue
        if name not in known or name in given:
            names = ", ".join(sorted(known))
            raise Refused(400, f"Parameter {name!r}: known are, once each, {names}.")
        given[name] = value
    return given


def _rendering(
    exchange: Exchange, picture: Literal["jpeg", "png"], given: Mapping[str, str]
) -> Rendering:
    """What the parameters ask for."""
    frame = None
    if "numbers" in exchange.arguments:
        frame, *others = frame_numbers(exchange.arguments["numbers"])
        if others:
            raise Refused(400, "One picture shows one frame: ask for them one by one.")
    return Rendering(
        picture,
        frame,
        window=_window(given["window"]) if "window" in given else None,
        viewport=_viewport(given["viewport"]) if "viewport" in given else None,
        quality=_quality(given["quality"]) if "quality" in given else None,
    )


def _window(text: str) -> tuple[float, float]:
    """``center,width[,linear]`` in modality values."""
    words = text.split(",")
    if len(words) == 3 and words.pop().lower() != "linear":
        raise Refused(400, "window=center,width,function: the one function here is linear.")
    try:
        center, width = (float(word) for word in words)
    except ValueError:
        raise Refused(400, "window=center,width,function needs two numbers.") from None
    if not math.isfinite(center) or not 0 < width < math.inf:
        raise Refused(400, "window=center,width,function: the width must be above 0.")
    return center, width


def _viewport(text: str) -> tuple[int, int]:
    """``width,height``; the region that may follow must be left out or empty."""
    words = text.split(",")
    if len(words) not in (2, 6) or any(words[2:]):
        raise Refused(400, "viewport=width,height: a region of the picture cannot be chosen.")
    if not all(_SIZE.fullmatch(word) and int(word) <= LONGEST_SIDE for word in words[:2]):
        raise Refused(400, f"viewport=width,height needs two numbers from 1 to {LONGEST_SIDE}.")
    width, height = int(words[0]), int(words[1])
    if width * height > MOST_PIXELS:
        raise Refused(400, f"viewport=width,height: no more than {MOST_PIXELS:,} pixels are drawn.")
    return width, height


def _quality(text: str) -> int:
    if not _SIZE.fullmatch(text) or int(text) > 100:
        raise Refused(400, "quality is a number from 1 to 100.")
    return int(text)
