"""A table as the first argument: few requests for few parents, and for a million of them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pandas as pd
import pytest

from dicomnb.errors import DicomnbWarning
from dicomnb.listing import Listing
from dicomnb.pool import Cancel
from dicomnb.query import Query, SearchAbilities, build, matches
from dicomnb.refs import Ref, refs_of
from dicomnb.search import described, pages, steps
from dicomnb.source import Abilities, Page
from dicomnb.web.families import FAMILIES

STANDARD = Abilities("standard")
GOOGLE = FAMILIES["google"].abilities


def studies(count: int) -> list[Ref]:
    return [Ref(f"1.2.826.0.1.3680043.8.498.{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("abilities", "count", "requests"),
    [
        (STANDARD, 16, 16),
        (STANDARD, 17, 1),
        (STANDARD, 50_000, 1000),
        (STANDARD, 50_001, 1),
        (GOOGLE, 16, 16),
        (GOOGLE, 1000, 1000),
        (GOOGLE, 1001, 1),
    ],
)
def test_how_many_requests_parents_are(abilities: Abilities, count: int, requests: int) -> None:
    made = steps(build("series", {}), studies(count), abilities)
    assert len(made.steps) == requests
    assert made.bounded == (requests > 1 or count <= 50)


def test_another_filter_that_bounds_keeps_the_requests_few() -> None:
    query = build("series", {"StudyDate": ("20230101", "20231231")})
    made = steps(query, studies(1000), GOOGLE)
    assert len(made.steps) == 1
    assert made.bounded
    assert described(made)["CheckedHere"].tolist() == ["StudyInstanceUID"]


@pytest.mark.long
def test_a_million_parents_are_one_request_in_sane_memory() -> None:
    uids = [f"1.2.826.0.1.3680043.8.498.{number}" for number in range(1_000_000)]
    parents = refs_of(pd.DataFrame({"StudyInstanceUID": uids}))
    assert len(parents) == 1_000_000
    for abilities in (STANDARD, GOOGLE):
        tracemalloc.start()
        made = steps(build("series", {"Modality": "CT"}), parents, abilities)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(made.steps) == 1
        assert len(described(made)) == 1
        assert most < 400 * 2**20


class Rows:
    """A source of a few rows that a series may share between studies."""

    address = "memory:"

    def __init__(self, rows: list[dict[str, object]], search: SearchAbilities) -> None:
        self.rows = rows
        self.asked: list[Query] = []
        self._abilities = Abilities("standard", search)

    def abilities(self) -> Abilities:
        return self._abilities

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        self.asked.append(query)
        rows = [row for row in self.rows if matches(row, query.filters)]
        if query.within is not None:
            pair = (query.within.study, query.within.series)
            rows = [row for row in rows if uids(row)[:2] == pair]
        yield Page(json.dumps(rows).encode(), len(rows))


def uids(row: dict[str, object]) -> tuple[str | None, ...]:
    found = (row.get(tag) for tag in ("0020000D", "0020000E", "00080018"))
    return tuple(one["Value"][0] if isinstance(one, dict) else None for one in found)


def instance(study: str, series: str, own: str) -> dict[str, object]:
    tags = {"0020000D": study, "0020000E": series, "00080018": own}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in tags.items()}


@pytest.mark.parametrize("count", [3, 40])
def test_a_series_under_two_studies_is_only_looked_for_under_the_one_asked(count: int) -> None:
    rows = [
        instance(f"1.{study}", f"1.9.{number}", f"1.{study}.{number}")
        for study in (1, 2)
        for number in range(count)
    ]
    source = Rows(rows, SearchAbilities())
    parents = [Ref("1.1", f"1.9.{number}") for number in range(count)]
    table = Listing(source, workers=4).table(build("instance", {}), parents, None)  # type: ignore[arg-type]
    assert set(table["StudyInstanceUID"]) == {"1.1"}
    assert len(table) == count
    assert len(source.asked) == (count if count <= 16 else 1)


def test_rows_that_do_not_tell_their_parents_are_told_of() -> None:
    rows = [{"0020000E": {"vr": "UI", "Value": [f"1.1.{number}"]}} for number in range(3)]
    source = Rows(rows, SearchAbilities(attributes={"series": frozenset()}))  # type: ignore[dict-item]
    listing = Listing(source, workers=1)  # type: ignore[arg-type]
    with pytest.warns(DicomnbWarning) as told:
        assert len(listing.table(build("series", {}), studies(1001), None)) == 0
    assert any("No row that came has StudyInstanceUID" in str(one.message) for one in told)


def test_pages_of_several_requests_are_not_gathered() -> None:
    """Two values of a list, each of very many pages: only a few are held before their turn."""
    given: list[str] = []

    class Large(Rows):
        def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
            value = query.filters[0].values[0]
            for number in range(200):
                given.append(value)
                row = instance("1.1", f"1.{value == 'CT':d}.{number}", "1.1")
                yield Page(json.dumps([row]).encode(), 1)

    source = Large([], SearchAbilities())
    made = steps(build("series", {"Modality": ["CT", "MR"]}), None, source.abilities())
    found = pages(source, made, workers=2)  # type: ignore[arg-type]
    for _ in range(20):
        next(found)
    assert given.count("MR") <= 4
    assert len(list(found)) == 380
