"""`GoogleApi`: the calls of Google's API beside DICOMweb: JSON in and out, pages, operations."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import AuthError, BadQuery, NotFound, ProtocolError, Unsupported
from dicomnb.operations import Operation, OperationState
from dicomnb.pool import side_by_side
from dicomnb.web.addresses import base_address
from dicomnb.web.auth import recipe
from dicomnb.web.failures import beginning
from dicomnb.web.google_names import path_of
from dicomnb.web.transport import Transport
from dicomnb.wire.jsontext import NO_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dicomnb.options import Options
    from dicomnb.pool import Cancel
    from dicomnb.refs import Ref

__all__ = ["GoogleApi", "operation_name", "stored_bytes"]

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}
_OPERATION = re.compile(r"projects/[^/]+/locations/[^/]+(/datasets/[^/]+)?/operations/[^/?#]+")
MOST_METRICS = 64
"""Studies or series whose sizes are asked for, each by a call."""
_METRICS = {"study": "getStudyMetrics", "series": "getSeriesMetrics"}
_SIZES = ("structuredStorageSizeBytes", "blobStorageSizeBytes")


class GoogleApi:
    """The API's own calls.

    Args:
        transport: what is sent through; its credentials are used.
        root: where the API begins, ``https://healthcare.googleapis.com/v1``.
        options: bounds.
    """

    def __init__(self, transport: Transport, root: str, options: Options) -> None:
        self.root = root
        self._transport = transport
        self._limits = options.limits

    @classmethod
    def at(cls, root: str, *, auth: Any, options: Options) -> GoogleApi:
        """The API at an address, with credentials as `dicomnb.connect` takes them."""
        base, in_url = base_address(root)
        credentials = recipe(auth, origin=base.origin, in_url=in_url)
        return cls(Transport(base, options=options, auth=credentials), str(base), options)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
        cancel: Cancel | None = None,
    ) -> dict[str, Any]:
        """Ask one thing.

        Args:
            path: below the root, escaped: ``projects/p/locations/l/datasets``.

        Raises:
            ProtocolError: the answer is no JSON object.
        """
        sent = {} if body is None else {"Content-Type": "application/json"}
        answer = self._transport.send(
            method,
            f"{self.root}/{path}",
            params=params,
            headers={**_HEADERS, **sent},
            body=None if body is None else msgspec.json.encode(body),
            repeatable=repeatable,
            cancel=cancel,
        )
        with answer:
            text = answer.read(self._limits.page_bytes)
            try:
                said = msgspec.json.decode(text or b"{}")
            except NO_JSON:
                said = None
            if not isinstance(said, dict):
                raise answer.error(f"The answer is no JSON object: {beginning(text)!r}")
            return said

    def pages(
        self, path: str, key: str, *, params: Sequence[tuple[str, str]] = ()
    ) -> Iterator[dict[str, Any]]:
        """What a list holds, page after page.

        Raises:
            ProtocolError: a page leads back to one that was there before.
        """
        token = ""
        seen: set[str] = set()
        while True:
            more = [("pageToken", token)] if token else []
            said = self.call("GET", path, params=[*params, *more])
            items = said.get(key) or []
            yield from (one for one in items if isinstance(one, dict))
            token = str(said.get("nextPageToken") or "")
            if not token:
                return
            if token in seen:
                raise ProtocolError(f"The list of {key} goes in a circle.", url=self.root)
            seen.add(token)

    def operation(self, said: Mapping[str, Any]) -> Operation:
        """The operation that a call answered with.

        Raises:
            ProtocolError: it is none.
        """
        name = operation_name(said)
        if name is None:
            raise ProtocolError("The answer names no operation.", url=self.root)
        return Operation(
            name,
            ask=partial(self._asked, name),
            stop=partial(self._stopped, name),
            state=_state(said),
        )

    def _asked(self, name: str, cancel: Cancel | None) -> OperationState:
        return _state(self.call("GET", path_of(name), cancel=cancel))

    def _stopped(self, name: str) -> None:
        self.call("POST", f"{path_of(name)}:cancel", body={}, repeatable=True)

    def close(self) -> None:
        """Let go of the connections; new ones are opened when they are needed."""
        self._transport.close()


def operation_name(said: Mapping[str, Any]) -> str | None:
    """The name of an operation in an answer, or None."""
    name = said.get("name")
    return name if isinstance(name, str) and _OPERATION.fullmatch(name) else None


def _state(said: Mapping[str, Any]) -> OperationState:
    metadata = _object(said.get("metadata"))
    counter = _object(metadata.get("counter"))
    error = said.get("error")
    code = _number(error.get("code")) if isinstance(error, dict) else None
    return OperationState(
        done=said.get("done") is True,
        pending=_number(counter.get("pending")),
        success=_number(counter.get("success")),
        failure=_number(counter.get("failure")),
        method=str(metadata.get("apiMethodName") or "").rpartition(".")[2],
        created=str(metadata.get("createTime") or ""),
        ended=str(metadata.get("endTime") or ""),
        cancelling=metadata.get("cancelRequested") is True,
        error_code=code,
        error="" if code is None else str(_object(error).get("message") or ""),
        logs=str(metadata.get("logsUrl") or ""),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    """A count, which the API writes as text."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def stored_bytes(
    api: GoogleApi, base: str, refs: Sequence[Ref], *, workers: int, cancel: Cancel | None = None
) -> int | None:
    """Bytes of studies or series as stored, by the service's metrics, which lag behind.

    Args:
        api: of the store.
        base: its DICOMweb root.
        refs: of one level; for instances and for very many there are no metrics.

    Returns:
        None where the service does not tell: metrics are a permission of their own.
    """
    method = _METRICS.get(refs[0].level) if 0 < len(refs) <= MOST_METRICS else None
    if method is None:
        return None

    def ask(ref: Ref, inner: Cancel) -> int:
        path = f"{base.removeprefix(f'{api.root}/')}/{ref.path}:{method}"
        said = api.call("GET", path, cancel=inner)
        return sum(int(said.get(field) or 0) for field in _SIZES)

    try:
        return sum(side_by_side(ask, refs, workers=workers, cancel=cancel))
    except (AuthError, BadQuery, NotFound, Unsupported, ValueError, TypeError):
        return None
