"""Data sets of a table of instances: in its order, side by side or out of one stream."""

from __future__ import annotations

import random
import threading

import pytest

import dicomnb as dn
from dicomnb.transfer import ordered
from tests.transfer.series_server import REF, SeriesServer, slices

pytestmark = pytest.mark.usefixtures("fast_line")


@pytest.fixture
def server() -> SeriesServer:
    return SeriesServer(slices(30))


def refs_of(server: SeriesServer) -> list[dn.Ref]:
    return [dn.Ref(REF.study, REF.series, uid) for uid in server.files]


def uids(found) -> list[str]:
    return [str(one.SOPInstanceUID) for one in found]


def test_a_whole_series_is_one_stream_in_the_order_of_the_table(raw, server):
    refs = refs_of(server)
    random.Random(1).shuffle(refs)
    assert uids(server.start(raw).datasets(refs)) == [ref.instance for ref in refs]
    assert dict(server.asked) == {None: 1}


def test_a_part_of_a_series_is_asked_for_singly(raw, server):
    refs = refs_of(server)[20:2:-2]
    found = list(server.start(raw).datasets(refs))
    assert uids(found) == [ref.instance for ref in refs]
    assert dict(server.asked) == {ref.instance: 1 for ref in refs}
    assert all("PixelData" in one for one in found)
    bare = server.start(raw).datasets(refs, pixels=False)
    assert not any("PixelData" in one for one in bare)


def test_a_stream_in_quite_another_order_is_left(raw, server, monkeypatch):
    monkeypatch.setattr(ordered, "HELD", 5)
    refs = refs_of(server)[::-1]
    assert uids(server.start(raw).datasets(refs)) == [ref.instance for ref in refs]
    assert server.asked[None] == 1
    # Those that waited are not asked for again.
    assert sum(server.asked.values()) == 1 + 30 - 6


def test_a_stream_that_breaks_is_gone_on_with_singly(raw, server):
    def fault(server, request, uid, count):
        if uid is None:
            return server.cut(server.files, len(server.body(server.files)) // 2)
        return None

    server.fault = fault
    refs = refs_of(server)
    assert uids(server.start(raw, keep=False).datasets(refs)) == [ref.instance for ref in refs]
    assert 10 < sum(server.asked.values()) < 30


def test_an_instance_that_is_named_twice_comes_once(raw, server):
    refs = refs_of(server)
    found = server.start(raw).datasets([*refs, refs[3]])
    assert uids(found) == [ref.instance for ref in refs]


def test_one_that_is_not_there(raw, server):
    refs = [*refs_of(server)[:5], dn.Ref(REF.study, REF.series, "1.2.3")]
    with pytest.raises(dn.NotFound):
        list(server.start(raw).datasets(refs))


def test_stopping_early_leaves_no_thread(raw, server):
    archive, before = server.start(raw), set(threading.enumerate())
    found = archive.datasets(refs_of(server)[:20])
    next(found)
    found.close()
    added = set(threading.enumerate()) - before
    assert not [one for one in added if one.name.startswith("dicomnb")]
