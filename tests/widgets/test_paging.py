"""A long table told in pages."""

from __future__ import annotations

import pytest

from dicomnb.widgets.paging import PAGE_ROWS, page_of


@pytest.mark.parametrize(
    ("count", "asked", "first", "shown"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (100, 100, 0, 100),  # nothing is left on a second page
        (101, 100, 100, 1),
        (250, 100, 100, 100),
        (250, 300, 200, 50),  # rows went meanwhile: the last page there is
        (250, -100, 0, 100),
        (0, 100, 0, 0),
    ],
)
def test_a_page_of_rows(count: int, asked: int, first: int, shown: int) -> None:
    told = page_of(range(count), {"view": "v", "first": asked}, lambda one: {"number": one})
    assert PAGE_ROWS == 100
    assert told == {
        "kind": "rows",
        "view": "v",
        "first": first,
        "step": 100,
        "total": count,
        "rows": [{"number": one} for one in range(first, first + shown)],
    }
