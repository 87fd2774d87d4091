"""What every panel is: messages to and from its front end, work beside the kernel, what it says."""

from __future__ import annotations

from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anywidget
import traitlets

from dicomnb.errors import Cancelled, heard
from dicomnb.widgets.background import Background
from dicomnb.widgets.faults import in_words
from dicomnb.widgets.javascript import style
from dicomnb.widgets.naming import place_of

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Sequence
    from typing import Self

    from dicomnb.pool import Cancel
    from dicomnb.transfer.events import Progress

__all__ = ["Held", "Panel"]

Result = TypeVar("Result")

_OFTEN_SECONDS = 0.1


class Held(traitlets.TraitType[Any, Any]):
    """A trait of any object, which has changed when it is another one.

    Other traits compare values, to which a table or a volume answers with an array, having
    fetched all of a lazy one. So does ``traitlets.link``, which raises ValueError for a table;
    ``traitlets.dlink`` does not. Two of these, one each way, keep two panels the same: the
    object that comes back is no other one, and goes no further.

    Example:
        >>> traitlets.dlink((search, "selected"), (retrieve, "what"))
    """

    default_value = None
    info_text = "any object"

    def set(self, obj: Any, value: Any) -> None:
        """Keep it, and tell of it if it is another object."""
        old = obj._trait_values.get(self.name, self.default_value)
        new = obj._trait_values[self.name] = self._validate(obj, value)
        if old is not new:
            obj._notify_trait(self.name, old, new)


class Panel(anywidget.AnyWidget):
    """The part that panels share.

    A panel's front end draws what it is told and asks for what a person wants, all in custom
    messages: no trait that holds anything of a patient is synced, so none is saved with a
    notebook. A subclass names what may be asked in ``_asked`` and tells its state in
    ``_state``; both run on the kernel's loop, or in another thread where messages come in one,
    and must not block. They take turns with what work tells, in this panel and in all others,
    so that none needs a lock against another. What takes time goes through `_begin`.

    Attributes:
        busy: what is being done, in words (``"Searching…"``); empty when nothing is.
        said: the last thing the panel said, ``(level, words)`` with level ``"info"``,
            ``"done"``, ``"warning"`` or ``"error"``; empty words when there is nothing to say.
    """

    _css = style("panel")

    _title: ClassVar[str] = "A panel"
    """What it is, for where it cannot be drawn and for screen readers."""

    busy = traitlets.Unicode("")
    said = traitlets.Tuple(traitlets.Unicode(), traitlets.Unicode(), default_value=("info", ""))

    _part_of: tuple[weakref.ref[Any], str] | None = None
    """What the user has, where this is a part of it; and the attribute that this is."""
    _is_made = False
    """Whether it was made to its end: one that was refused is closed as well."""

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._cancel: Cancel | None = None
        self._latest: object = None
        self._label = ""
        self._progress_told = 0.0
        self._background = Background(f"dicomnb-{type(self).__name__}", self._failed)
        self._is_made = True
        self.on_msg(self._receive)
        self.observe(self._tell_saying, names=["busy", "said"])

    # -- for a panel to define -------------------------------------------------------------------

    def _asked(self) -> dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]]:
        """What the front end may ask: for each ``kind`` of message, who answers it."""
        return {}

    def _state(self) -> dict[str, Any]:
        """What the front end draws, whole; told when it comes and by `_tell_state`."""
        return {}

    # -- messages --------------------------------------------------------------------------------

    def _receive(self, _: Any, message: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        kind = str(message.get("kind"))
        if kind == "cancel":
            self.cancel()
            return
        with self._background.turn:
            try:
                if kind == "hello":
                    self._tell_state()
                elif (answer := self._asked().get(kind)) is not None:
                    answer(message, buffers)
            except Exception as error:  # noqa: BLE001 - whatever it is, a person must see it
                self._failed(error)
            if kind == "hello":
                self._tell_saying(None)

    def _tell_state(self) -> None:
        self.send({"kind": "state", **self._state()})

    def _tell_saying(self, _: Any) -> None:
        level, words = self.said
        self.send({"kind": "saying", "busy": self.busy, "level": level, "words": words})

    def _say(self, level: str, words: str) -> None:
        self.said = (level, words)

    def _failed(self, error: BaseException) -> None:
        """Say what went wrong: errors of dicomnb tell themselves what to do about it."""
        self._say("error", in_words(error))

    @property
    def _activity(self) -> str:
        """What is being done, in words; empty when nothing is."""
        return self._label

    # -- work beside the kernel ------------------------------------------------------------------

    def _begin(
        self,
        label: str,
        work: Callable[[Cancel], Result],
        done: Callable[[Result], None],
        *,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Do this in the panel's thread, and hand its result over on the kernel's loop.

        Args:
            label: what is being done, shown meanwhile.
            work: what takes time; looks at the token it is given. What it warns of is said.
            done: is given the result, on the loop.
            failed: is given the error, on the loop, `Cancelled` too; None has the panel say it.
        """
        this = object()
        with self._background.turn:
            self._latest = this
            self._say("info", "")
            self._label = label
            self.busy = self._activity

        def run(cancel: Cancel) -> None:
            with heard() as warnings:
                try:
                    cancel.check()
                    result = work(cancel)
                except Cancelled as error:
                    self._end(this, lambda error=error: self._stopped(this, error, failed))  # type: ignore[misc]
                except Exception as error:  # noqa: BLE001 - whatever it is, a person must see it
                    told = failed or self._failed
                    self._end(this, lambda error=error: told(error))  # type: ignore[misc]
                else:
                    self._end(this, lambda: self._finished(result, warnings, done))

        self._cancel = self._background.run(run)

    def _end(self, this: object, then: Callable[[], None]) -> None:
        def ended() -> None:
            # What was begun after it, having cancelled it, goes on.
            if this is self._latest:
                self._label = ""
                self.busy = self._activity
                self._progress_told = 0.0  # the first that the next work tells is not held back
            then()

        self._background.tell(ended)

    def _finished(
        self, result: Result, warnings: list[str], done: Callable[[Result], None]
    ) -> None:
        if warnings:
            self._warned(list(dict.fromkeys(warnings)))
        done(result)

    def _warned(self, warnings: list[str]) -> None:
        """Say what dicomnb warned of during the work, before its result is handed over."""
        self._say("warning", "\n".join(warnings))

    def _stopped(
        self, this: object, error: Cancelled, failed: Callable[[BaseException], None] | None
    ) -> None:
        if this is self._latest:
            self._say("info", "Cancelled.")
        if failed is not None:
            failed(error)

    def _tell_progress(self, progress: Progress, **more: Any) -> None:
        """Tell how far the work has come, ten times a second at most; from whatever thread.

        Args:
            more: what the front end is told besides.
        """
        is_last = progress.total is not None and progress.done >= progress.total
        now = monotonic()
        if now - self._progress_told < _OFTEN_SECONDS and not is_last:
            return
        self._progress_told = now
        told = {
            "kind": "progress",
            "done": progress.done,
            "total": progress.total,
            "failed": progress.failed,
            "skipped": progress.skipped,
            "bytes": progress.bytes_done,
            "bytes_total": progress.bytes_total,
            "speed": progress.speed,
            "seconds_left": progress.seconds_left,
            **more,
        }
        self._background.tell(lambda: self.send(told))

    def cancel(self) -> None:
        """Give up what is being done; the panel says so when it has stopped."""
        if self._cancel is not None:
            self._cancel.set()

    def _abandon(self) -> None:
        """Cancel what is being done for the sake of something else: nothing is said of it."""
        self.cancel()
        with self._background.turn:
            self._latest, self._label = None, ""
            self.busy = self._activity

    def wait(self) -> Self:
        """Until what was begun is done and told; blocks, so for scripts and tests."""
        self._background.wait()
        return self

    def close(self) -> None:
        """Stop what is under way, and take the panel from the page."""
        if self._is_made:
            self._background.stop()
        super().close()

    def _called(self) -> str | None:
        """Python by which the user has this panel, where there is any."""
        if self._part_of is None:
            return place_of(self)
        owner, name = self._part_of
        place = place_of(owner())
        return None if place is None else f"{place}.{name}"

    # -- where there is no browser, or no kernel -------------------------------------------------

    def __repr__(self) -> str:
        return f"<dicomnb {type(self).__name__}>"

    def _static(self) -> str:
        """HTML for where widgets cannot run, escaped; beside the words that say what it is."""
        return ""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            words = f"{self._title}. Run this cell in a live notebook to use it."
            data["text/plain"] = repr(self)
            data["text/html"] = f"{self._static()}<div>{escape(words)}</div>"
        return bundle
