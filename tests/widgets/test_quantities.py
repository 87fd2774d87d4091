"""Numbers in words: the same in Python and in the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from dicomnb.widgets.javascript import module
from dicomnb.widgets.quantities import counted, in_bytes

BYTES = {
    0: "0 bytes",
    1: "1 byte",
    999: "999 bytes",
    999.6: "1.00 kB",
    1000: "1.00 kB",
    9_994: "9.99 kB",
    9_996: "10.0 kB",
    99_960: "100 kB",
    999_400: "999 kB",
    999_900: "1.00 MB",
    36_120_000: "36.1 MB",
    999_900_000: "1.00 GB",
    2_000_000_000: "2.00 GB",
    999_999_999_999: "1.00 TB",
    1_234_000_000_000_000: "1234 TB",
}
LOADED = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
    const { bytes, count } = await import(address);
    Object.assign(window, { bytes, count });
}"""


@pytest.mark.parametrize(("size", "words"), BYTES.items())
def test_bytes_in_words(size: float, words: str) -> None:
    assert in_bytes(size) == words


def test_the_page_writes_numbers_as_python_does(page: Page) -> None:
    page.evaluate(LOADED, f"{module('panel')}\nexport {{ bytes, count }};")
    sizes = list(BYTES)
    assert page.evaluate("(sizes) => sizes.map((one) => bytes(one))", sizes) == list(BYTES.values())
    for number in (0, 1, 2, 1_200_000):
        words = page.evaluate("(number) => count(number, 'study', 'studies')", number)
        assert words == counted(number, "study", "studies")
