"""Folders that stand for buckets of Cloud Storage and data sets of BigQuery."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dicomnb.errors import RefError
from dicomnb.refs import Ref
from dicomnb.server.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["filter_refs", "folder_for", "matched", "table_file"]

_URI = re.compile(r"gs://([^/]+)/?(.*)", re.DOTALL)
_TABLE = re.compile(r"bq://([^.]+\.[^.]+)\.(\w+)")
_WILD = re.compile(r"\*\*|\*|\?|[^*?]+")


def matched(buckets: Mapping[str, Path], uri: object) -> list[Path]:
    """The files that a URI means, in order.

    ``?`` is one character, ``*`` any number of them without a slash, ``**`` with slashes.

    Raises:
        Refused: 400, it is no such URI; 404, no such bucket, or nothing matches.
    """
    root, pattern = _located(buckets, uri)
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = (words.get(one) or re.escape(one) for one in _WILD.findall(pattern))
    expression = re.compile("".join(pieces), re.DOTALL)
    real = root.resolve()
    found = [
        path
        for path in sorted(root.rglob("*"))
        if expression.fullmatch(path.relative_to(root).as_posix())
        and path.is_file()
        and path.resolve().is_relative_to(real)
    ]
    if not found:
        raise Refused(404, f"Nothing matches {uri}.")
    return found


def folder_for(buckets: Mapping[str, Path], uri: object) -> Path:
    """The folder that a ``uriPrefix`` means; it need not be there yet.

    Raises:
        Refused: 400, it is no such URI, or leads out of the bucket; 404, no such bucket.
    """
    root, prefix = _located(buckets, uri)
    steps = PurePosixPath(prefix).parts
    if any(step in ("/", "..") for step in steps):
        raise Refused(400, f"{uri!r} leads out of the bucket.")
    return root.joinpath(*steps)


def table_file(buckets: Mapping[str, Path], uri: object) -> Path:
    """The file that stands for a table ``bq://project.dataset.table``.

    Raises:
        Refused: 400, it is no such URI; 404, no folder stands for the data set.
    """
    found = _TABLE.fullmatch(uri) if isinstance(uri, str) else None
    if found is None:
        raise Refused(400, f"{uri!r} is no table, as bq://project.dataset.table.")
    folder = buckets.get(f"bq://{found[1]}")
    if folder is None:
        raise Refused(
            404,
            f"BigQuery has no data set {found[1]} here: start the server with "
            f'buckets={{"bq://{found[1]}": FOLDER}}, and tables become files of JSON lines there.',
        )
    return folder / f"{found[2]}.jsonl"


def filter_refs(buckets: Mapping[str, Path], uri: object) -> list[Ref]:
    """What ``filterConfig.resourcePathsGcsUri`` names: a path ``/studies/…`` a line.

    Raises:
        Refused: 400, a line is no such path; 404, no such file.
    """
    refs = []
    for path in matched(buckets, uri):
        for line in path.read_text().splitlines():
            try:
                refs += [Ref.from_path(line)] if line.strip() else []
            except RefError as error:
                raise Refused(400, f"{uri}: {error}") from error
    return list(dict.fromkeys(refs))


def _located(buckets: Mapping[str, Path], uri: object) -> tuple[Path, str]:
    """The folder of a bucket, and what stands behind its name."""
    found = _URI.fullmatch(uri) if isinstance(uri, str) else None
    if found is None:
        raise Refused(400, f"{uri!r} is no URI of Cloud Storage, as gs://bucket/path.")
    folder = buckets.get(found[1])
    if folder is None:
        known = ", ".join(sorted(name for name in buckets if "://" not in name)) or "none"
        raise Refused(
            404,
            f"There is no bucket {found[1]!r}. A folder stands for one: start the server with "
            f"buckets={{name: folder}}; there are: {known}.",
        )
    return folder, found[2]
