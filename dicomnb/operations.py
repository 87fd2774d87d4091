"""`Operation`: work that goes on at a server after a call has been answered."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dicomnb.errors import (
    AuthError,
    BadQuery,
    Cancelled,
    DicomnbError,
    NotFound,
    ServerError,
    StillRunning,
    Throttled,
    Unsupported,
    warn,
)
from dicomnb.html import card, text_card
from dicomnb.pool import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dicomnb.errors import DicomWebError

__all__ = ["Operation", "OperationState"]

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.1, 1.5, 10.0
_CANCELLED = 1
_KINDS: Mapping[int, type[DicomWebError]] = {
    3: BadQuery,
    5: NotFound,
    6: BadQuery,
    7: AuthError,
    8: Throttled,
    9: BadQuery,
    11: BadQuery,
    12: Unsupported,
    16: AuthError,
}
"""Codes of ``google.rpc.Status`` that are more than a failure of the server."""


@dataclass(frozen=True)
class OperationState:
    """What a server tells of an operation."""

    done: bool = False
    """Whether it has ended, well or not."""
    pending: int = 0
    """Items that wait, as far as the server knows."""
    success: int = 0
    """Items that were done."""
    failure: int = 0
    """Items that failed; the operation itself may succeed nevertheless."""
    method: str = ""
    """What was called, ``"ImportDicomData"``."""
    created: str = ""
    """When it began, as the server writes times."""
    ended: str = ""
    """When it ended; ``""`` while it runs."""
    cancelling: bool = False
    """Whether it was asked to end early."""
    error_code: int | None = None
    """Code of ``google.rpc.Status`` if it failed."""
    error: str = ""
    """Why it failed, in the server's words."""
    logs: str = ""
    """Where the server's log tells which items failed and why."""

    @property
    def word(self) -> str:
        """``running``, ``cancelling``, ``done``, ``cancelled`` or ``failed``."""
        if not self.done:
            return "cancelling" if self.cancelling else "running"
        if self.error_code is None:
            return "done"
        return "cancelled" if self.error_code == _CANCELLED else "failed"


class Operation:
    """Work that goes on at a server, such as an import or the deletion of a study.

    It is not bound to this process: what was begun goes on when the notebook is closed, and is
    found again by its name (`dicomnb.google.operation`).

    Args:
        name: what the server calls it.
        ask: asks the server how it stands; None where the server cannot be asked.
        stop: asks the server to end it early; None where it cannot be asked.
        state: what is known of it already.

    Example:
        >>> operation = dn.google.import_(store, "gs://bucket/**.dcm", wait=False)
        >>> operation.wait(progress=True).failures
        0
    """

    def __init__(
        self,
        name: str,
        *,
        ask: Callable[[Cancel | None], OperationState] | None,
        stop: Callable[[], None] | None,
        state: OperationState | None = None,
    ) -> None:
        self.name = name
        self._ask = ask
        self._stop = stop
        self._state = state or OperationState()

    @property
    def state(self) -> OperationState:
        """What was last heard of it; `poll` asks anew."""
        return self._state

    @property
    def done(self) -> bool:
        """Whether it had ended when it was last asked."""
        return self._state.done

    @property
    def can_be_asked(self) -> bool:
        """Whether the server tells how it stands."""
        return self._ask is not None

    @property
    def failures(self) -> int:
        """How many items failed, as far as it is known, however the operation ended."""
        return self._state.failure

    def poll(self, *, cancel: Cancel | None = None) -> OperationState:
        """Ask the server how it stands.

        Raises:
            Unsupported: the server does not tell of its operations.
        """
        if self._ask is None:
            raise Unsupported(
                f"The server works on {self.name or 'this'} by itself and cannot be asked about "
                "it. For Google behind another address give Options(api_root='https://HOST/v1')."
            )
        self._state = self._ask(cancel)
        return self._state

    def cancel(self) -> None:
        """Ask the server to end it early; what it has done by then stays done.

        It may still succeed: `wait` or `poll` tell.

        Raises:
            Unsupported: the server does not take that.
        """
        if self._stop is None:
            raise Unsupported(f"The server cannot be asked to stop {self.name or 'this'}.")
        self._stop()

    def wait(
        self,
        *,
        time_limit: float | None = None,
        progress: bool | Callable[[OperationState], None] | None = None,
        cancel: Cancel | None = None,
    ) -> Operation:
        """Wait for its end, asking again after ever longer pauses.

        Args:
            time_limit: seconds to wait at most; None waits as long as it takes.
            progress: True for a bar, or a function that is told each `OperationState`.
            cancel: ends the waiting, not the operation.

        Returns:
            Itself. If items failed in it, a warning tells how many.

        Raises:
            Cancelled: it was cancelled.
            BadQuery, NotFound, AuthError, ServerError, …: it failed; by the server's code.
            StillRunning: the time is up; the operation goes on.
        """
        try:
            with _telling(progress, self._state.method or "operation") as tell:
                self._wait(tell, time_limit, cancel)
        except KeyboardInterrupt:
            warn(
                f"Only the waiting was interrupted; {self.name} goes on at the server. "
                "dicomnb.google.operation(name) finds it again, and its cancel() ends it."
            )
            raise
        if (error := self._failed()) is not None:
            raise error
        if self.failures:
            logs = f" The server's log tells which: {self._state.logs}" if self._state.logs else ""
            warn(f"{self.name} ended, but {self._counts()}.{logs}")
        return self

    def _wait(
        self, tell: Callable[[OperationState], None], limit: float | None, cancel: Cancel | None
    ) -> None:
        begun, pause = time.monotonic(), _FIRST_PAUSE
        sleeper = Cancel(cancel)
        while True:
            if not self._state.done:
                self.poll(cancel=cancel)
            tell(self._state)
            if self._state.done:
                return
            left = None if limit is None else limit - (time.monotonic() - begun)
            if left is not None and left <= 0:
                raise StillRunning(
                    f"{self.name} is not done after {limit:g} s; it goes on at the server, and "
                    f"wait() waits for it again. So far: {self._counts() or 'nothing counted'}.",
                    operation=self,
                )
            sleeper.wait(pause if left is None else min(pause, left))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _failed(self) -> DicomnbError | None:
        """What to raise of an operation that ended badly."""
        state = self._state
        if state.error_code is None:
            return None
        counts = f" ({self._counts()})" if self._counts() else ""
        if state.error_code == _CANCELLED:
            return Cancelled(f"{self.name} was cancelled{counts}; what it had done stays done.")
        kind = _KINDS.get(state.error_code, ServerError)
        return kind(f"{self.name} failed{counts}.", server_words=state.error)

    def _counts(self) -> str:
        state = self._state
        total = state.pending + state.success + state.failure
        if not total:
            return ""
        told = f"{state.failure} of {total} items failed" if state.failure else ""
        return told or f"{state.success} of {total} items are done"

    def _facts(self) -> list[tuple[str, str]]:
        state = self._state
        facts = [("Name", self.name), ("What", state.method), ("State", state.word)]
        facts += [("Items", self._counts()), ("Error", state.error), ("Log", state.logs)]
        return [(name, text) for name, text in facts if text]

    def __repr__(self) -> str:
        return text_card("dicomnb.Operation", self._facts())

    def _repr_html_(self) -> str:
        return card("dicomnb.Operation", self._facts())


@contextlib.contextmanager
def _telling(
    progress: bool | Callable[[OperationState], None] | None, label: str
) -> Iterator[Callable[[OperationState], None]]:
    """What ``progress=`` asks for, for the length of a ``with`` block."""
    if callable(progress):
        yield progress
    elif not progress:
        yield _silent
    else:
        from tqdm.auto import tqdm

        with tqdm(desc=label, unit=" item", leave=False) as bar:

            def draw(state: OperationState) -> None:
                done = state.success + state.failure
                bar.total = done + state.pending or None
                if state.failure:
                    bar.set_postfix_str(f"{state.failure} failed", refresh=False)
                bar.set_description(state.method or label, refresh=False)
                bar.n = done
                bar.refresh()

            yield draw


def _silent(state: Any) -> None:
    """Say nothing."""
