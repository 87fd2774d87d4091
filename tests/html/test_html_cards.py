from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnb.html import card, text_card


class Reader(HTMLParser):
    """Collects tags and texts as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self.open = 0

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open += 1

    def handle_endtag(self, tag):
        self.open -= 1

    def handle_data(self, data):
        self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='x",
    "</div></dl>",
    "&lt;b&gt;",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_shown_stays_text(text):
    reader = read(card(text, [(text, text)], footer=text))
    assert reader.tags == {"div", "dl", "dt", "dd"}
    assert reader.attributes == {"class", "style"}
    assert reader.open == 0
    shown = text.replace("\ud800", "\ufffd")
    assert "".join(reader.texts) == shown * 4


@settings(deadline=None)
@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_no_text_makes_markup(title, rows):
    html = card(title, rows)
    reader = read(html)
    assert reader.tags <= {"div", "dl", "dt", "dd"}
    assert html.count("<") == 2 * (3 + 2 * len(rows) - 0)
    html.encode("utf-8")


def test_the_card_has_jupyterlab_colours_with_fall_backs():
    html = card("t", [("a", "b")])
    assert "var(--jp-layout-color1, Canvas)" in html
    assert "var(--jp-ui-font-color1, CanvasText)" in html
    assert "footer" not in html
    assert "<script" not in html
    assert "http" not in html


def test_jupyterlabs_widths_of_names_and_values_do_not_hold_in_the_card():
    html = card("t", [("a", "b"), ("c", "d")])
    assert html.count("width:auto") == 4


def test_the_text_twin_is_aligned():
    text = text_card("dicomnb.Archive", [("address", "http://x"), ("id", "7")], footer="ready")
    assert text == "dicomnb.Archive\n  address  http://x\n  id       7\n  ready"


def test_the_text_twin_without_rows_is_its_title():
    assert text_card("empty", []) == "empty"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_no_value_draws_a_line_of_its_own(title, name, value):
    lines = text_card(title, [(name, value)]).split("\n")
    assert len(lines) == 2
    assert all(char.isprintable() for line in lines for char in line)


def test_an_escape_sequence_is_shown_not_sent():
    assert "\\x1b[31m" in text_card("t", [("a", "\x1b[31mred\n")])
