"""What a handler of the Google flavour gets: a management call, or a request to a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dicomnb.server.answers import Answer, Refused
from dicomnb.server.exchange import Exchange
from dicomnb.server.google.bodies import google_json
from dicomnb.wire.jsontext import NO_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from werkzeug.wrappers import Request

    from dicomnb.server.google.catalogue import Catalogue, Dataset, Store
    from dicomnb.server.google.operations import Operation
    from dicomnb.wire.google_habits import Habits

__all__ = ["SYSTEM_PARAMETERS", "Call", "StoreExchange", "field"]

Value = TypeVar("Value")

SYSTEM_PARAMETERS = frozenset(
    {
        "$.xgafv",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
    }
)
"""Query parameters that every method of the API takes (DISC); they are never a filter."""
_BODY_BYTES = 1 << 20
_KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "text"}


def field(holder: Mapping[str, Any], name: str, kind: type[Value]) -> Value | None:
    """A field of what was sent; None where it is missing or null.

    Raises:
        Refused: 400, it is of another kind.
    """
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise Refused(400, f"Invalid value at {name!r}: {_KINDS[kind]} is needed.")


@dataclass(frozen=True)
class Call:
    """One management call.

    Attributes:
        catalogue: what is published.
        request: its headers and parameters.
        arguments: the variables of its path.
    """

    catalogue: Catalogue
    request: Request
    arguments: Mapping[str, str]

    @property
    def version(self) -> str:
        """``"v1"`` or ``"v1beta1"``."""
        return self.arguments["version"]

    @property
    def parent(self) -> str:
        """``projects/P/locations/L`` of the path."""
        return f"projects/{self.arguments['project']}/locations/{self.arguments['location']}"

    @property
    def dataset(self) -> Dataset:
        """The dataset of the path; `Refused` where there is none."""
        return self.catalogue.dataset(self.parent, self.arguments["dataset"])

    @property
    def store(self) -> Store:
        """The store of the path; `Refused` where there is none."""
        return self.catalogue.store(self.parent, self.arguments["dataset"], self.arguments["store"])

    def parameter(self, name: str) -> str | None:
        """A query parameter, or None."""
        value: str | None = self.request.args.get(name)
        return value

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent; an empty one where there is no body.

        Raises:
            Refused: 400, it is none, or a large one.
        """
        stream, data = self.request.environ["wsgi.input"], bytearray()
        piece = bytearray(64 << 10)
        while count := stream.readinto(piece):
            data += piece[:count]
            if len(data) > _BODY_BYTES:
                raise Refused(413, f"No call has more than {_BODY_BYTES:,} bytes.")
        if not data.strip():
            return {}
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except NO_JSON as error:
            raise Refused(400, "Invalid JSON payload received: an object is needed.") from error

    def answer(self, data: Any) -> Answer:
        """JSON, over several lines unless ``prettyPrint=false``."""
        return google_json(data, pretty=self.parameter("prettyPrint") != "false")

    def begun(self, operation: Operation) -> Answer:
        """An operation that has been started."""
        return self.answer({"name": operation.name})


@dataclass(frozen=True)
class StoreExchange(Exchange):
    """One DICOMweb request to a store.

    Attributes:
        call: the request as a call of the API.
    """

    call: Call

    @property
    def habits(self) -> Habits:
        """How the API behaves."""
        return self.call.catalogue.habits

    @property
    def accept(self) -> str | None:
        """The Accept header; the API knows no parameter for it."""
        return self.request.headers.get("Accept")

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Query parameters but those of the API itself."""
        pairs = self.request.args.items(multi=True)
        return (pair for pair in pairs if pair[0] not in SYSTEM_PARAMETERS)
