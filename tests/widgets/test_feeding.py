"""A table in pages: what is shown, sorted, filtered and selected, against plain pandas."""

from __future__ import annotations

from pathlib import Path

import dicomnb as dn
from dicomnb.widgets.feeding import Feed


def test_the_demo_as_people_read_it(demo_folder: Path) -> None:
    studies = dn.connect(demo_folder).studies(PatientName="Zhang*")
    feed = Feed(studies, columns={"PatientName": "Patient", "StudyDate": None})
    assert [one["label"] for one in feed.facts()["columns"]] == ["Patient", "Study Date"]
    feed.sort("StudyDate", descending=True)
    dates = sorted(studies["StudyDate"].dropna().dt.strftime("%Y-%m-%d"), reverse=True)
    assert [row[1] for row in feed.rows(0, len(dates))] == dates
    assert {row[0] for row in feed.rows(0, 99)} == {"Zhang, Sally", "Zhang, Wei"}
    feed.select(0)
    assert feed.selected.attrs == studies.attrs
