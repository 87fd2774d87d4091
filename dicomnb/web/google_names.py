"""Google's names: ``projects/P/locations/L/datasets/D/dicomStores/S``, and addresses of them.

A name that is malformed is told by its first fault: which word stands where another belongs,
which identifier is missing, which sign none may have.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote, unquote

from dicomnb.errors import RefError
from dicomnb.web.addresses import without_secrets

__all__ = [
    "API_ROOT",
    "HOSTS",
    "PROJECTS_ROOT",
    "Kind",
    "api_root_of",
    "dicomweb_root",
    "last_part",
    "made",
    "name_in",
    "parent",
    "path_of",
]

API_ROOT = "https://healthcare.googleapis.com/v1"
PROJECTS_ROOT = "https://cloudresourcemanager.googleapis.com/v1"
"""Where projects are listed: not the API's own."""
HOSTS = (".googleapis.com",)

Kind = Literal["project", "location", "dataset", "store"]

_WORDS: dict[Kind, str] = {
    "project": "projects",
    "location": "locations",
    "dataset": "datasets",
    "store": "dicomStores",
}
_SHAPES: dict[Kind, str] = {
    "project": "projects/P",
    "location": "projects/P/locations/L",
    "dataset": "projects/P/locations/L/datasets/D",
    "store": "projects/P/locations/L/datasets/D/dicomStores/S",
}
_IDENTIFIERS: dict[Kind, tuple[re.Pattern[str], str]] = {
    "project": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*"), "letters, digits, '-', '.' and ':'"),
    "location": (re.compile(r"[A-Za-z0-9-]+"), "letters, digits and '-', as in us-central1"),
    "dataset": (re.compile(r"[\w.-]{1,256}"), "at most 256 letters, digits, '-', '_' and '.'"),
    "store": (re.compile(r"[\w.-]{1,256}"), "at most 256 letters, digits, '-', '_' and '.'"),
}
_OTHER_STORES = frozenset({"fhirStores", "hl7V2Stores", "consentStores", "annotationStores"})
_FULL_RESOURCE = re.compile(r"^//healthcare\.googleapis\.com/")
_URL = re.compile(r"(?i)https?://")
_LOOKS_LIKE_ONE = re.compile(r"(//healthcare\.googleapis\.com/)?/?projects?/|.*/dicomStores(/|$)")


def made(kind: Kind, **parts: str) -> str:
    """A name put together from its identifiers.

    Args:
        kind: what is named.
        **parts: ``project``, ``location``, … down to it.

    Raises:
        RefError: an identifier is empty or has signs that none may have.
    """
    pieces: list[str] = []
    for each in _down_to(kind):
        pieces += [_WORDS[each], _checked(parts[each], each, f"{each}={parts[each]!r}")]
    return "/".join(pieces)


def name_in(text: str, kind: Kind) -> str:
    """The name of the ``kind`` that ``text`` names or lies in.

    Args:
        text: a name of this kind or of something in it (a store lies in its dataset), also as
            an address of Google's API.

    Raises:
        RefError: tells the first fault of the name.
    """
    shown = without_secrets(text)
    pieces = _pieces(text)
    found: list[str] = []
    for index, each in enumerate(_down_to(kind)):
        word, at = _WORDS[each], 2 * index
        told = pieces[at] if at < len(pieces) else ""
        if told != word:
            raise RefError(_misplaced(shown, told, word, kind))
        identifier = pieces[at + 1] if at + 1 < len(pieces) else ""
        found += [word, _checked(identifier, each, f"{shown!r}")]
    return "/".join(found)


def parent(name: str) -> str:
    """The name that a name lies in: the dataset of a store."""
    return name.rsplit("/", 2)[0]


def last_part(name: str) -> str:
    """The identifier at the end of a name."""
    return name.rpartition("/")[2]


def path_of(name: str) -> str:
    """A name as the path of an address."""
    return quote(name, safe="/:")


def api_root_of(api_root: str | None) -> str:
    """``Options.api_root`` or Google's own; ``/v1`` is added to a root without a path.

    Raises:
        RefError: it is no address.
    """
    root = (api_root or API_ROOT).strip().rstrip("/")
    if not _URL.match(root):
        raise RefError(
            f"Options(api_root={without_secrets(root)!r}) is no address; it looks like {API_ROOT}."
        )
    return root if "/" in root.partition("://")[2] else f"{root}/v1"


def dicomweb_root(where: str, *, api_root: str | None = None) -> str | None:
    """The DICOMweb root that a Google name or address means; None if it is no such thing.

    Args:
        where: a store's name, or the address of a store or of anything in one: with or
            without ``/dicomWeb`` and with whatever follows it.
        api_root: ``Options.api_root``, for names.

    Raises:
        RefError: it is meant as one, but malformed.
    """
    text = where.strip().partition("#")[0]
    if not _URL.match(text):
        if not _LOOKS_LIKE_ONE.match(text):
            return None
        return f"{api_root_of(api_root)}/{path_of(name_in(text, 'store'))}/dicomWeb"
    if without_secrets(text) != text:
        return None  # with a user or a token in it: whoever reads addresses refuses that
    address = text.partition("?")[0]
    root, found, _ = address.partition("/projects/")
    host = re.sub(r":\d*$", "", address.partition("://")[2].partition("/")[0]).lower()
    is_google = host.endswith(HOSTS)
    if not is_google and "/dicomStores/" not in address:
        return None
    if not found:
        raise RefError(f"{text!r} names no store; it goes on {_SHAPES['store']}/dicomWeb.")
    if is_google and "/" not in root.partition("://")[2]:
        raise RefError(f"{text!r} has no version of the API: {root}/v1/projects/…")
    return f"{root}/{path_of(name_in(address, 'store'))}/dicomWeb"


def _down_to(kind: Kind) -> list[Kind]:
    kinds = list(_WORDS)
    return kinds[: kinds.index(kind) + 1]


def _pieces(text: str) -> list[str]:
    """The parts of a name, without the root of an address and what it escapes."""
    text = _FULL_RESOURCE.sub("", text.strip())
    if _URL.match(text):
        _, found, rest = re.split(r"[?#]", text, maxsplit=1)[0].partition("/projects/")
        return ["projects", *map(unquote, rest.rstrip("/").split("/"))] if found else []
    return text.strip("/").split("/")


def _misplaced(shown: str, told: str, word: str, kind: Kind) -> str:
    shape = f"A {kind} is named {_SHAPES[kind]}."
    if told in _OTHER_STORES:
        return f"{shown!r} is one of the {told}; DICOM lies in dicomStores. {shape}"
    if not told:
        return f"{shown!r} ends where {word}/… should follow. {shape}"
    return f"{shown!r} has {told!r} where {word!r} belongs. {shape}"


def _checked(identifier: str, kind: Kind, shown: str) -> str:
    pattern, allowed = _IDENTIFIERS[kind]
    article = "an" if kind[0] in "aeio" else "a"
    if not identifier:
        raise RefError(f"The {kind} is missing in {shown}: {_SHAPES[kind]}.")
    if not pattern.fullmatch(identifier) or set(identifier) == {"."}:
        raise RefError(
            f"{identifier!r} in {shown} is not {article} {kind}: it is made of {allowed}."
        )
    return identifier
