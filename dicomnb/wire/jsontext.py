"""JSON that others wrote: what reading it may raise."""

from __future__ import annotations

import msgspec

__all__ = ["NO_JSON"]

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `msgspec.json` raises for text that is no JSON; the last for brackets without end."""
