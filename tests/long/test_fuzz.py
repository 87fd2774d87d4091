"""Damage at random: a typed error or the truth, never anything else."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from pydicom import dcmread

from dicomnb.errors import DicomnbError
from dicomnb.tables import TableBuilder, columns_for
from dicomnb.volumes.builder import VolumeBuilder
from dicomnb.wire import multipart
from dicomnb.wire.dicomjson import encode
from dicomnb.wire.parts import BytesPart
from tests.conftest import real_file

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

FILES = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm"]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, a stretch lost or doubled, or an end that is cut."""
    body = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(body))
        how = chance.randrange(4)
        if how == 0:
            body[place] = chance.randrange(256)
        elif how == 1:
            del body[place : place + chance.randint(1, 64)]
        elif how == 2:
            body[place:place] = body[place : place + chance.randint(1, 64)]
        else:
            del body[max(place, 1) :]
        if not body:
            body += b"\x00"
    return bytes(body)


@pytest.mark.parametrize("name", FILES)
def test_damaged_instances(name: str) -> None:
    chance = random.Random(name)
    data = real_file(name).read_bytes()
    for _ in range(400):
        builder = VolumeBuilder(strict=False)
        try:
            builder.add(BytesPart(damaged(data, chance), media_type="application/dicom"))
            volume = builder.finish()
        except DicomnbError:
            continue
        assert volume.array.ndim == 3


def test_damaged_json() -> None:
    chance = random.Random(3)
    page = b"[" + b",".join(_row(name) for name in FILES) + b"]"
    for columns in (columns_for("instance"), None):
        for _ in range(400):
            builder = TableBuilder(columns, level="instance")
            try:
                builder.add(damaged(page, chance))
            except DicomnbError:
                continue
            table = builder.finish()
            assert table["SOPInstanceUID"].dtype == table["StudyInstanceUID"].dtype


def _row(name: str) -> bytes:
    row = encode(dcmread(real_file(name)), bulk_uri=lambda path: f"http://h/bulkdata/{path}")
    return row if isinstance(row, bytes) else __import__("msgspec").json.encode(row)


def test_damaged_multipart() -> None:
    chance = random.Random(5)
    payload = real_file("CT_small.dcm").read_bytes()[:3000]
    boundary = "x" * 20
    whole = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), payload)
        for _ in range(3)
    )
    whole += b"--%s--\r\n" % boundary.encode()
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    complete = 0
    for _ in range(3000):
        stream = io.BytesIO(damaged(whole, chance))
        try:
            parts = [part.read() for part in multipart.read(stream, kind)]
        except DicomnbError:
            continue
        complete += 1
        assert sum(map(len, parts)) <= len(stream.getvalue())
    assert complete > 100


def test_volumes_survive_shuffling() -> None:
    chance = random.Random(11)
    datasets = []
    for number in range(12):
        dataset = dcmread(real_file("CT_small.dcm"))
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [0, 0, 5.0 * number]
        dataset.PixelData = np.full((128, 128), number, np.int16).tobytes()
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        datasets.append(buffer.getvalue())
    for _ in range(20):
        chance.shuffle(datasets)
        builder = VolumeBuilder(chance.choice([None, 3, 12, 40]))
        for data in datasets:
            builder.add(BytesPart(data, media_type="application/dicom"))
        volume = builder.finish()
        assert volume.array[:, 0, 0].tolist() == [number - 1024 for number in range(12)]
