"""Google's page "Using the DICOMweb standard" from top to bottom, on three kinds of server.

Its sections in its order, each as the one line that it is here. What servers do differently
stands in `Server`, and is checked as it stands there.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from pydicom import Dataset, dcmread

import dicomnb as dn
from tests.conftest import real_file, start_orthanc

ROWS, COLUMNS = 48, 64


@dataclass(frozen=True)
class Server:
    """In what a server differs from the page's."""

    name: str
    run: Callable[[Path], Iterator[dn.Archive]]
    takes_single_part: bool = True  # an instance as the whole body of a request
    images_go_as: str = "multipart"  # "json": the server makes the instance of JSON and JPEG
    deletes: bool = True  # over DICOMweb
    unwaited_delete: str = "deleted"  # "deleting": it goes on by an operation when it has answered

    def __str__(self) -> str:
        return self.name


def embedded(folder: Path) -> Iterator[dn.Archive]:
    with dn.serve(folder, writable=True) as url:
        yield dn.connect(url)


def google(folder: Path) -> Iterator[dn.Archive]:
    server = dn.serve(folder, flavour="google", writable=True)
    with server as url:
        yield dn.connect(url, auth=dn.Bearer(str(server.token)))


def orthanc(folder: Path) -> Iterator[dn.Archive]:
    for one in start_orthanc(folder):
        yield dn.connect(one.url)


SERVERS = (
    Server("embedded", embedded),
    Server("google", google, images_go_as="json", unwaited_delete="deleting"),
    Server("orthanc", orthanc, takes_single_part=False, deletes=False),
)


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_the_page_from_top_to_bottom(server: Server, tmp_path: Path) -> None:
    place, work = tmp_path / "archive", tmp_path / "work"
    place.mkdir()
    work.mkdir()
    dcm_file, scan = file_of_sally_zhang(work)
    jpeg_file = picture(work)

    with contextmanager(server.run)(place) as archive:
        # Storing a DICOM instance
        if server.takes_single_part:
            stored = archive.store(dcm_file, form="single")
        else:
            with pytest.raises(dn.Unsupported, match="415"):
                archive.store(dcm_file, form="single")
            assert len(archive.studies()) == 0
            stored = archive.store(dcm_file)
        assert stored["Outcome"].tolist() == ["stored"]
        assert stored["SOPInstanceUID"].tolist() == [scan.SOPInstanceUID]
        assert stored["RetrieveURL"][0].endswith(path_of(scan))

        # Creating DICOM instances from JSON metadata and JPEG images
        photo = archive.store_images(
            jpeg_file, metadata={"PatientName": "Doe^John", "PatientID": "77", "Modality": "XC"}
        )
        assert photo["Outcome"].tolist() == ["stored"]
        assert photo["Form"].tolist() == [server.images_go_as]

        # Searching for studies, series, instances, and frames
        assert set(archive.studies()["PatientName"]) == {"Sally Zhang", "Doe^John"}
        assert set(archive.series()["Modality"]) == {scan.Modality, "XC"}
        uids = {scan.SOPInstanceUID, photo["SOPInstanceUID"][0]}
        assert set(archive.instances()["SOPInstanceUID"]) == uids

        # Searching using DICOM tags
        found = archive.studies(PatientName="Sally Zhang")
        assert found["StudyInstanceUID"].tolist() == [scan.StudyInstanceUID]
        assert archive.studies(matching={"00100010": "Sally Zhang"}).equals(found)
        study = found.iloc[0]

        # Retrieving a study
        files = archive.download(study, work / "study")
        assert [Path(name).read_bytes() for name in files["File"]] == [dcm_file.read_bytes()]

        # Retrieving an instance
        assert archive.dataset(scan) == dcmread(dcm_file)
        made = archive.dataset(photo.iloc[0])
        assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
        assert made.pixel_array.shape == (ROWS, COLUMNS, 3)
        assert jpeg_file.read_bytes() in made.PixelData

        # Retrieving consumer image formats
        png = archive.rendered(photo.iloc[0], to=work / "rendered_image.png")
        with Image.open(io.BytesIO(Path(str(png)).read_bytes())) as drawn:
            assert (drawn.format, drawn.size) == ("PNG", (COLUMNS, ROWS))

        # Deleting a study, series, or instance
        if not server.deletes:
            with pytest.raises(dn.Unsupported, match="does not delete"):
                archive.delete(study)
            assert len(archive.studies()) == 2
            return
        assert archive.delete(study)["Outcome"].tolist() == ["deleted"]
        assert archive.studies()["PatientName"].tolist() == ["Doe^John"]
        with pytest.raises(dn.NotFound):
            archive.dataset(scan)
        begun = archive.delete(archive.series().iloc[0], wait=False)
        assert begun["Outcome"].tolist() == [server.unwaited_delete]
        for operation in begun["Operation"].dropna():
            operation.wait()
        assert len(archive.instances()) == 0


def file_of_sally_zhang(folder: Path) -> tuple[Path, Dataset]:
    """The page's patient, on a real file."""
    dataset = dcmread(real_file("MR_small_RLE.dcm"))
    dataset.PatientName = "Sally Zhang"
    dataset.save_as(folder / "file.dcm")
    return folder / "file.dcm", dataset


def picture(folder: Path) -> Path:
    """A JPEG as cameras make them."""
    shades = Image.linear_gradient("L").resize((COLUMNS, ROWS))
    image = Image.merge("RGB", (shades, shades.rotate(180), shades))
    image.save(folder / "image.jpg", quality=95, subsampling="4:2:2")
    return folder / "image.jpg"


def path_of(dataset: Dataset) -> str:
    return (
        f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )
