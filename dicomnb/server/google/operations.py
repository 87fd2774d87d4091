"""Long-running operations: what goes on after a call has been answered."""

from __future__ import annotations

import itertools
import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dicomnb.errors import Cancelled, DicomnbError
from dicomnb.pool import Cancel
from dicomnb.server.answers import Refused, public_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Operation", "Operations", "now"]

log = logging.getLogger("dicomnb.server")

_INVALID, _CANCELLED, _INTERNAL = 3, 1, 13
_CODES = {400: _INVALID, 403: 7, 404: 5, 409: 6, 501: 12}
"""HTTP status → code of `google.rpc.Status`."""
_END_SECONDS = 10
_numbers = itertools.count(1)


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Operation:
    """One of them.

    Attributes:
        name: ``projects/…/operations/N``.
        method: what was called, ``"dicom.DicomService.ImportDicomData"``.
        cancel: set to end it early.
        pending: items that wait, as far as they are known.
        success: items that were done.
        failure: items that failed; the operation itself may succeed nevertheless.
    """

    name: str
    method: str
    cancel: Cancel = field(default_factory=Cancel, repr=False)
    pending: int = 0
    success: int = 0
    failure: int = 0
    created: str = field(default_factory=now)
    ended: str | None = None
    error: dict[str, Any] | None = None
    response: dict[str, Any] | None = None

    def count(self, *, failed: bool) -> None:
        """One item is done, or failed."""
        self.pending = max(0, self.pending - 1)
        if failed:
            self.failure += 1
        else:
            self.success += 1

    def shown(self, version: str) -> dict[str, Any]:
        """As the API tells it: counts are text, and none stands for 0."""
        space = f"type.googleapis.com/google.cloud.healthcare.{version}"
        metadata: dict[str, Any] = {
            "@type": f"{space}.OperationMetadata",
            "apiMethodName": f"google.cloud.healthcare.{version}.{self.method}",
            "createTime": self.created,
        }
        counts = {"pending": self.pending, "success": self.success, "failure": self.failure}
        if any(counts.values()):
            metadata["counter"] = {name: str(count) for name, count in counts.items() if count}
        if self.cancel.is_set:
            metadata["cancelRequested"] = True
        shown: dict[str, Any] = {"name": self.name, "metadata": metadata}
        ended, error, response = self.ended, self.error, self.response
        if ended is not None:
            metadata["endTime"] = ended
            shown["done"] = True
            if error is not None:
                shown["error"] = error
            else:
                kind = self.method.rpartition(".")[2]
                own = {"@type": f"{space}.dicom.{kind}Response"}
                shown["response"] = {**own, **(response or {})}
        return shown


class Operations:
    """The operations of one dataset.

    Args:
        parent: the dataset's name.
        address: path that no error may show.
    """

    def __init__(self, parent: str, address: str) -> None:
        self._parent = parent
        self._address = address
        self._running: dict[str, threading.Thread] = {}
        self._all: dict[str, Operation] = {}

    def start(self, method: str, work: Callable[[Operation], dict[str, Any] | None]) -> Operation:
        """Begin one in a thread of its own.

        Args:
            method: what was called.
            work: does it; counts items, looks at ``cancel``, returns the response. What it
                raises becomes the operation's error.
        """
        identifier = str(next(_numbers))
        operation = Operation(f"{self._parent}/operations/{identifier}", method)
        self._all[identifier] = operation
        thread = threading.Thread(
            target=self._run, args=(operation, work), daemon=True, name="dicomnb-operation"
        )
        self._running[identifier] = thread
        thread.start()
        return operation

    def _run(
        self, operation: Operation, work: Callable[[Operation], dict[str, Any] | None]
    ) -> None:
        try:
            operation.response = work(operation)
        except Cancelled:
            operation.error = {"code": _CANCELLED, "message": "The operation was cancelled."}
        except Refused as refusal:
            code = _CODES.get(refusal.status, _INTERNAL)
            operation.error = {"code": code, "message": refusal.words}
        except (DicomnbError, OSError) as error:
            log.warning("%s failed: %s", operation.name, error)
            words = public_words(str(error), self._address)
            operation.error = {"code": _INTERNAL, "message": words}
        except Exception:
            log.exception("%s failed", operation.name)
            operation.error = {"code": _INTERNAL, "message": "The server's log tells why."}
        finally:
            operation.ended = now()
            self._running.pop(operation.name.rpartition("/")[2], None)

    def __getitem__(self, identifier: str) -> Operation:
        """One of them; `Refused` with 404 where there is none."""
        found = self._all.get(identifier)
        if found is None:
            raise Refused(404, f"There is no operation {self._parent}/operations/{identifier}.")
        return found

    def __iter__(self) -> Iterator[Operation]:
        return iter(list(self._all.values()))

    def close(self) -> None:
        """Cancel those that still run, and wait for them."""
        for identifier in list(self._running):
            self._all[identifier].cancel.set()
        for thread in list(self._running.values()):
            thread.join(_END_SECONDS)
