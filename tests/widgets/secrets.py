"""Looking for a secret in everything that an object holds."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Iterator
from typing import Any

LEFT_OUT = (types.ModuleType, type, asyncio.AbstractEventLoop)
"""What everything in Python hangs on, other panels too."""


def places(root: Any, secret: str, *, but: tuple[type, ...] = ()) -> list[str]:
    """Where a secret is found: attributes, containers, closures, errors with their variables.

    Args:
        root: where to begin.
        secret: text; looked for in bytes as well.
        but: types that are not looked into.
    """
    found: list[str] = []
    seen: dict[int, Any] = {}  # kept, so that no number is given twice
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        path, one = waiting.pop()
        if id(one) in seen or isinstance(one, (*LEFT_OUT, *but)):
            continue
        seen[id(one)] = one
        if isinstance(one, str | bytes | bytearray | memoryview):
            text = one if isinstance(one, str) else bytes(one).decode("utf-8", "replace")
            found += [path] if secret in text else []
            continue
        waiting += [(f"{path}.{name}", held) for name, held in _held(one)]
    return found


def _held(one: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(one, dict):
        yield from ((f"[{key!r}]", value) for key, value in list(one.items()))
        yield from (("key", key) for key in list(one))
    elif isinstance(one, list | tuple | set | frozenset) or type(one).__name__ == "deque":
        yield from ((f"[{at}]", value) for at, value in enumerate(list(one)))
    elif isinstance(one, types.FunctionType):
        for cell in one.__closure__ or ():
            try:
                yield "closure", cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield "defaults", one.__defaults__
    elif isinstance(one, types.MethodType):
        yield "self", one.__self__
    elif isinstance(one, BaseException):
        yield from (("args", one.args), ("cause", one.__cause__), ("context", one.__context__))
        trace = one.__traceback__
        while trace is not None:
            yield "variables", dict(trace.tb_frame.f_locals)
            trace = trace.tb_next
    if hasattr(one, "__dict__"):
        yield "vars", vars(one)
    for name in getattr(type(one), "__slots__", ()):
        if hasattr(one, name):
            yield name, getattr(one, name)
