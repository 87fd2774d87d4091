"""Giving a downloaded file its name, never one that is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomnb.errors import ProtocolError
from dicomnb.transfer.identity import header_of
from dicomnb.transfer.layout import beside
from dicomnb.transfer.ledger import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from dicomnb.refs import Ref
    from dicomnb.transfer.ledger import Ledger

__all__ = ["Placed", "place"]


@dataclass(frozen=True)
class Placed:
    """What became of a file.

    Attributes:
        file: path relative to the folder.
        outcome: ``downloaded``, ``already there`` or ``conflict``.
        reason: in words, for a conflict.
    """

    file: str
    outcome: str
    reason: str = ""


def place(
    incoming: Path, folder: Path, path: str, instance: Ref, digest: str, ledger: Ledger
) -> Placed:
    """Give a whole file the name ``path``, or one beside it where another instance has that.

    Args:
        incoming: the file, on the disk of ``folder``.
        path: relative, from `Layout.path`.
        instance: whose it is.
        digest: SHA-256 of its bytes.
        ledger: knows to whom names were given.
    """
    for file in (path, beside(path, str(instance.instance))):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if _linked(incoming, target):
            return Placed(file, "downloaded")
        if target.is_file() and digest_of(target) == digest:
            return Placed(file, "already there")
        if not _is_anothers(file, target, instance, ledger):
            break
    return Placed(file, "conflict", "a file of that name holds other bytes; it was kept")


def _linked(incoming: Path, target: Path) -> bool:
    """Give a file its name unless that is taken, also by somebody else at this moment."""
    try:
        os.link(incoming, target)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if target.exists():
            return False
        incoming.replace(target)
    return True


def _is_anothers(file: str, target: Path, instance: Ref, ledger: Ledger) -> bool:
    """Whether the file there is another instance's, for which the template gave the same name."""
    owner = ledger.owner(file)
    if owner is None:
        try:
            owner = str(header_of(target, instance).get("SOPInstanceUID", ""))
        except (ProtocolError, OSError):
            return False  # nobody knows whose: it is somebody's own file
    return bool(owner) and owner != instance.instance
