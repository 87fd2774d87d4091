"""Media types: what servers write is read, and what is sent is RFC 9110's form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnb.wire import media
from dicomnb.wire.media import MediaType


@pytest.mark.parametrize(
    ("text", "kind", "parameters"),
    [
        ("application/dicom", "application/dicom", {}),
        ("Application/DICOM+JSON; Charset=UTF-8", "application/dicom+json", {"charset": "UTF-8"}),
        (
            "multipart/related; type=application/dicom; boundary=abc",
            "multipart/related",
            {"type": "application/dicom", "boundary": "abc"},
        ),
        (
            'multipart/related;type="application/dicom";boundary="a;b\\"c"',
            "multipart/related",
            {"type": "application/dicom", "boundary": 'a;b"c'},
        ),
        (
            'multipart/related; type="application/octet-stream; '
            'transfer-syntax=1.2.840.10008.1.2.1"; boundary=x=y',
            "multipart/related",
            {
                "type": "application/octet-stream",
                "transfer-syntax": "1.2.840.10008.1.2.1",
                "boundary": "x=y",
            },
        ),
        ('a/b; c="unclosed', "a/b", {"c": "unclosed"}),
        ("a/b; ; c; =d; e=1; e=2", "a/b", {"e": "1"}),
        ("*; q=.2", "*/*", {"q": ".2"}),
    ],
)
def test_what_servers_write(text, kind, parameters):
    found = media.parse(text)
    assert found is not None
    assert found.type == kind
    assert dict(found.parameters) == parameters


@pytest.mark.parametrize("text", [None, "", "  ", ";boundary=x"])
def test_no_type(text):
    assert media.parse(text) is None


def test_the_form_that_is_sent():
    text = media.multipart_related("application/dicom", transfer_syntax="*", boundary="a b")
    assert text == (
        'multipart/related; type="application/dicom"; transfer-syntax=*; boundary="a b"'
    )
    assert media.format("image/png", {"q": None}) == "image/png"
    with pytest.raises(ValueError, match="header"):
        media.format("image/png", {"x": "a\r\nSet-Cookie: b"})


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
NAMES = st.text(st.sampled_from("abcdefgh-"), min_size=1).filter(lambda name: name != "type")


@given(st.dictionaries(NAMES, TEXT))
def test_formatted_and_read_again(parameters):
    found = media.parse(media.format("multipart/related", parameters))
    assert found == MediaType("multipart/related", tuple(parameters.items()))
    assert media.parse(str(found)) == found


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    media.parse(text)
    media.accepted(text)


def test_accept_in_order_of_q():
    header = (
        "image/jpeg;q=0.5, */*;q=0.1, image/png, image/gif;q=0, "
        'multipart/related; type="application/dicom, x"; q=0.9, image/*; q=nonsense'
    )
    assert [entry.type for entry in media.accepted(header)] == [
        "image/png",
        "image/*",
        "multipart/related",
        "image/jpeg",
        "*/*",
    ]
    assert [entry.type for entry in media.accepted(None)] == ["*/*"]
    assert [entry.type for entry in media.accepted(" ")] == ["*/*"]
    assert media.accepted("image/png;q=0") == []


@pytest.mark.parametrize(
    ("offer", "entry", "expected"),
    [
        ("image/png", "*/*", True),
        ("image/png", "image/*", True),
        ("image/png", "video/*", False),
        ("image/png", "image/jpeg", False),
        ('multipart/related; type="application/dicom"', "multipart/related", True),
        (
            'multipart/related; type="application/dicom"',
            "multipart/related; type=application/dicom; transfer-syntax=*",
            True,
        ),
        (
            'multipart/related; type="application/dicom"',
            'multipart/related; type="application/octet-stream"',
            False,
        ),
        (
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50",
            False,
        ),
        (
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
            "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
            True,
        ),
        ("application/dicom", "application/dicom; transfer-syntax=1.2.840.10008.1.2.1", True),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.1", "application/dicom", True),
    ],
)
def test_offers_and_wishes(offer, entry, expected):
    assert media.matches(media.parse(offer), media.parse(entry)) is expected


def test_choosing():
    offers = [MediaType("image/jpeg"), MediaType("image/png")]
    offer, entry = media.choose("image/png, image/*;q=0.3", offers)
    assert (offer.type, entry.type) == ("image/png", "image/png")
    offer, _ = media.choose("image/*", offers)
    assert offer.type == "image/jpeg"
    assert media.choose("video/mp4", offers) is None
    assert media.choose(None, offers)[0].type == "image/jpeg"
