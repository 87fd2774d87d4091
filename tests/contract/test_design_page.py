"""The page of notebook code that the design is judged by, as far as it goes today."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest

import dicomnb as dn


@pytest.fixture
def drawn_apart() -> Iterator[None]:
    """Figures without a screen, closed at the end."""
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        mpl.use("Agg")
        yield
        plt.close("all")


@pytest.mark.usefixtures("demo_folder", "drawn_apart")
def test_the_notebook_that_must_read_well(tmp_path: Path) -> None:
    archive = dn.demo()
    studies = archive.studies(PatientName="Zhang*", StudyDate=("2023-01-01", "2023-12-31"))
    series = archive.series(studies, Modality=["CT", "MR"])
    assert set(series["Modality"]) == {"CT", "MR"}
    assert series.groupby("BodyPartExamined").size().plot.barh() is not None

    scan = series[series["Modality"] == "CT"].iloc[0]
    instances = archive.instances(scan)
    assert len(instances) == scan.NumberOfSeriesRelatedInstances
    metadata = archive.metadata(scan)[["InstanceNumber", "SliceLocation", "KVP"]]
    assert metadata["KVP"].gt(0).all()
    ds = archive.dataset(instances.iloc[0])
    assert archive.frames(ds, [1]).shape == (1, ds.Rows, ds.Columns)
    volume = archive.volume(scan)
    assert volume.shape == (len(instances), ds.Rows, ds.Columns)
    assert volume.spacing == pytest.approx((2.5, *ds.PixelSpacing))
    assert archive.rendered(ds, format="png").size == (ds.Columns, ds.Rows)
    assert dn.plots.show(ds).images
    assert dn.plots.montage(volume).images

    new_scans = tmp_path / "new_scans"
    downloaded = archive.download(series.head(1), new_scans)
    assert set(downloaded["Outcome"]) == {"downloaded"}
    with dn.serve(new_scans, writable=True) as url:
        copy = dn.connect(url)
        assert len(copy.studies()) == 1
        assert copy.store(ds)["Outcome"].tolist() == ["stored"]
        assert copy.delete(scan)["Outcome"].tolist() == ["deleted"]
        assert len(copy.series()) == 1

    labels = dn.demo_labels()
    assert {"benign", "malignant"} == set(labels["Kind"])
    assert len(labels.groupby(["PatientID", "Nodule"])) >= 60
    assert scan.SeriesInstanceUID in set(labels["SeriesInstanceUID"])
