"""Files: whole or not at all, under names that are safe, in a cache that is private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.files import atomic_write, cache_folder, safe_name


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.dcm"
    with atomic_write(target) as file:
        file.write(b"one")
        assert not target.exists()
    assert target.read_bytes() == b"one"
    with atomic_write(target) as file:
        file.write(b"two")
    assert target.read_bytes() == b"two"
    assert os.listdir(target.parent) == ["file.dcm"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full"), ValueError])
def test_nothing_is_left_of_what_failed(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file.dcm"
    target.write_bytes(b"before")

    def write_half() -> None:
        with atomic_write(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises((KeyboardInterrupt, OSError, ValueError)):
        write_half()
    assert os.listdir(tmp_path) == ["file.dcm"]
    assert target.read_bytes() == b"before"


def test_the_cache_is_the_owners_alone(own_cache: Path) -> None:
    folder = cache_folder("somewhere", "below")
    assert folder.is_relative_to(own_cache)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@given(st.text(max_size=300))
def test_names_are_safe(text: str) -> None:
    name = safe_name(text)
    assert name
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|\0\n ')
    assert len(name) <= 120
    assert not name.startswith(".")


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_texts_get_different_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "CT_1", "a.dcm"])
def test_plain_names_stay(text: str) -> None:
    assert safe_name(text) == text


@pytest.mark.parametrize("text", ["con", "NUL.dcm", "../../x", "/etc/cron.d/x", "", "..", "a/b"])
def test_dangerous_names_change(text: str) -> None:
    assert safe_name(text) != text
