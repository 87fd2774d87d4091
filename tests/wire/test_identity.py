"""Who an upload is: as pydicom reads it, whichever way it was read."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filereader import read_partial

from dicomnb.wire import identity
from dicomnb.wire.identity import UID_TAGS, identity_of
from dicomnb.wire.store_answer import Sent
from dicomnb.wire.storing import BytesUpload, FileUpload, Outcome
from tests.images import real_files
from tests.images.image_series import instance, part10, phantom


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", list(real_files.paths()))
def test_real_files(name):
    path = real_files.paths()[name]
    with path.open("rb") as file:
        data = read_partial(file, stop_when=lambda tag, vr, length: tag > 0x0020000E)
    texts = [str(data[tag].value or "") or None if tag in data else None for tag in UID_TAGS]
    found = identity_of(FileUpload(path))
    if texts[2] is None:
        assert isinstance(found, Outcome)
        assert "SOPInstanceUID" in found.reason
    else:
        assert found == Sent(*texts)


def test_an_ordinary_file_is_not_parsed(monkeypatch):
    def refuse(*args, **keywords):
        raise AssertionError("parsed")

    monkeypatch.setattr(identity, "read_partial", refuse)
    ds = instance(phantom(1)[0])
    expected = Sent(*(str(ds[tag].value) for tag in UID_TAGS))
    assert identity_of(BytesUpload(part10(ds), "one")) == expected


def test_uids_behind_a_large_element():
    ds = instance(phantom(1)[0])
    ds.private_block(0x0009, "SOMEBODY", create=True).add_new(0x10, "OB", b"\1" * 90_000)
    expected = Sent(*(str(ds[tag].value) for tag in UID_TAGS))
    assert identity_of(BytesUpload(part10(ds), "one")) == expected


@given(data=st.data())
@settings(deadline=None, max_examples=100)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_are_whom_pydicom_says(data):
    whole = bytearray(part10(instance(phantom(1)[0])))
    end = whole.index(b"\x20\0\x11\0") if b"\x20\0\x11\0" in whole else 700
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(132, end))] = data.draw(st.integers(0, 255))
    found = identity.outlined_uids(bytes(whole[:8192]))
    if found is None:
        return
    with io.BytesIO(whole) as file:
        parsed = read_partial(file, stop_when=lambda tag, vr, length: tag > 0x0020000E)
    texts = [str(parsed[tag].value or "") or None if tag in parsed else None for tag in UID_TAGS]
    assert found == Sent(*texts)
