"""A token that runs out in the middle of a large store: sent again, whole, in bounded memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomnb.wire.multipart import SizedBody, outgoing_upload
from dicomnb.wire.storing import FileUpload
from tests.conftest import real_file
from tests.web.raw_server import transport

SIZE = 100 << 20


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """An instance of 100 MB whose pixels do not repeat themselves."""
    path = tmp_path_factory.mktemp("large") / "large.dcm"
    block = hashlib.shake_256(b"dicomnb").digest(1 << 20)
    dataset = dcmread(real_file("CT_small.dcm"))
    dataset.Rows, dataset.Columns = SIZE // 2 // 8192, 8192
    dataset.PixelData = b"".join(
        number.to_bytes(8, "big") + block[8:] for number in range(SIZE >> 20)
    )
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("refuse_after", [0, 5 << 20, None])
def test_the_whole_body_is_sent_again(tokens, api, tmp_path, large_file, refuse_after):
    """Refused at once, in the middle (with a closed connection), and after all was read."""
    here = api(refuse_after=refuse_after)
    sender = transport(here.url, auth=tokens.key_file(tmp_path / "key.json"))
    sender.send("GET", "studies").close()
    tokens.revoke()
    body = SizedBody([outgoing_upload(FileUpload(large_file))])
    headers = {"Content-Type": body.content_type}
    sender.send("POST", "studies", body=body, headers=headers).close()
    sender.close()
    expected = hashlib.sha256()
    for piece in body:
        expected.update(piece)
    assert here.stored == [(expected.hexdigest(), len(body))]
    assert len(here.refused) == 1
    assert here.refused[0] == len(body) if refuse_after is None else here.refused[0] < len(body)
    assert len(tokens.grants) == 2
    posts = [headers["authorization"] for method, _, headers in here.seen if method == "POST"]
    assert len(posts) == len(set(posts)) == 2


STORE = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from dicomnb.wire.storing import FileUpload
    from tests.web.raw_server import source

    url, key, path = sys.argv[1:]
    client = source(url, auth=key)
    client.check()
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client.store([FileUpload(Path(path))])
    client.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
)


@pytest.mark.skipif(sys.platform == "darwin", reason="ru_maxrss is in bytes there")
def test_memory_stays_bounded(tokens, api, tmp_path, large_file):
    """A process of its own, so that nothing but the store is counted."""
    here = api(refuse_after=50 << 20)
    key = tokens.key_file(tmp_path / "key.json")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", STORE, here.url, str(key), str(large_file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        tokens.revoke()
        process.stdin.write("\n")
        process.stdin.flush()
        grown = int(process.stdout.readline())
        assert process.wait(60) == 0
    assert [size > SIZE for _, size in here.stored] == [True]
    assert here.refused
    assert grown < 20 << 10, f"{grown} KiB"
