"""Datasets, stores, operations and deleting, with the library against the stand-in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import dicomnb as dn
from dicomnb.server import serve
from tests.conftest import real_file
from tests.google.token_server import Quiet
from tests.google.token_server import serve as serve_handler

FILES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")
LOCATION = "projects/demo/locations/local"
DATASET = f"{LOCATION}/datasets/demo"
STORE = f"{DATASET}/dicomStores/demo"


@pytest.fixture
def here(tmp_path):
    """(address of the store's root, credentials, options with its API's root)."""
    folder = tmp_path / "store"
    folder.mkdir()
    for name in FILES:
        shutil.copy(real_file(name), folder)
    server = serve(folder, flavour="google", writable=True)
    root = server.url.partition("/projects/")[0]
    yield server.url, {"auth": dn.Bearer(server.token), "options": dn.Options(api_root=root)}
    server.close()


@pytest.fixture
def archive(here):
    url, keywords = here
    with dn.connect(url, auth=keywords["auth"]) as made:
        yield made


def test_a_name_an_address_and_an_archive_mean_the_same(here, archive):
    url, keywords = here
    by_name = dn.google.stores(DATASET, **keywords)
    assert by_name["Name"].tolist() == [STORE]
    assert by_name["Store"].tolist() == ["demo"]
    for what, more in ((url, {"auth": keywords["auth"]}), (archive, {}), (STORE, keywords)):
        pd.testing.assert_frame_equal(dn.google.stores(what, **more), by_name)
    with dn.connect(STORE, **keywords) as connected:
        assert connected.source.abilities().family == "google"
        assert len(connected.studies()) == 3
    with pytest.raises(TypeError, match="brings its own"):
        dn.google.stores(archive, auth=keywords["auth"])
    pd.testing.assert_frame_equal(dn.google.stores(DATASET, auth=archive), by_name)
    with pytest.raises(TypeError, match="its own options"):
        dn.google.stores(DATASET, auth=archive, options=keywords["options"])
    with pytest.raises(dn.RefError, match="not of the API"):
        dn.google.stores(f"https://healthcare.googleapis.com/v1/{DATASET}", auth=archive)
    with pytest.raises(TypeError, match="not a int"):
        dn.google.stores(5)
    folder = dn.connect(Path(real_file("CT_small.dcm")).parent)
    with folder, pytest.raises(dn.Unsupported, match=r"no store of Google's"):
        dn.google.metrics(folder)


def test_datasets_and_stores_come_and_go(here):
    _, keywords = here
    made = dn.google.create_dataset(
        f"{LOCATION}/datasets/new", time_zone="Europe/Zurich", **keywords
    )
    assert made == f"{LOCATION}/datasets/new"
    assert dn.google.describe(made, **keywords)["timeZone"] == "Europe/Zurich"
    listed = dn.google.datasets(LOCATION, **keywords).set_index("Dataset")
    assert listed.loc["new", "TimeZone"] == "Europe/Zurich"
    empty = dn.google.stores(made, **keywords)
    assert len(empty) == 0
    assert empty.dtypes.equals(dn.google.stores(DATASET, **keywords).dtypes)
    store = dn.google.create_store(f"{made}/dicomStores/s", labels={"for": "tests"}, **keywords)
    assert dn.google.stores(made, **keywords)["Labels"].tolist() == [{"for": "tests"}]
    assert dn.google.describe(store, **keywords)["name"] == store
    with pytest.raises(dn.BadQuery) as caught:
        dn.google.create_store(store, **keywords)
    assert caught.value.status == 409
    with dn.connect(store, **keywords) as connected:
        assert len(connected.studies()) == 0
        assert connected.store(real_file("CT_small.dcm"))["Outcome"].tolist() == ["stored"]
    dn.google.delete_store(store, confirm="s", **keywords)
    assert len(dn.google.stores(made, **keywords)) == 0
    dn.google.delete_dataset(made, confirm="new", **keywords)
    assert dn.google.datasets(LOCATION, **keywords)["Dataset"].tolist() == ["demo"]


@pytest.mark.parametrize("confirm", [None, "", "DEMO", STORE])
def test_what_is_not_confirmed_is_not_deleted(here, archive, confirm):
    _, keywords = here
    with pytest.raises(dn.RefError, match=r"Nothing was deleted.*confirm='demo'"):
        dn.google.delete_store(archive, confirm=confirm)
    with pytest.raises(dn.RefError, match=r"the DICOM stores demo.*confirm='demo'"):
        dn.google.delete_dataset(DATASET, confirm=confirm, **keywords)
    for wider in (STORE, archive):
        with pytest.raises(dn.RefError, match="by its own name"):
            dn.google.delete_dataset(wider, confirm="demo")
    assert len(archive.studies()) == 3


def test_pages_are_followed_to_the_end(here):
    _, keywords = here
    names = [f"store-{number:02}" for number in range(25)]
    for name in names:
        dn.google.create_store(f"{DATASET}/dicomStores/{name}", **keywords)
    from dicomnb.google.reaching import reached

    with reached(DATASET, "dataset", **keywords) as (api, _):
        path = f"{DATASET}/dicomStores"
        asked: list[object] = []
        call = api.call
        api.call = lambda *args, **more: asked.append(more["params"]) or call(*args, **more)
        found = list(api.pages(path, "dicomStores", params=[("pageSize", "10")]))
    assert [one["name"].rpartition("/")[2] for one in found] == ["demo", *names]
    assert len(asked) == 3
    assert dn.google.stores(DATASET, **keywords)["Store"].tolist() == ["demo", *names]


def test_a_list_that_goes_in_a_circle(raw):
    from tests.web.raw_server import response

    server = raw(response(b'{"datasets": [{"name": "d"}], "nextPageToken": "x"}'))
    keywords = {"options": dn.Options(api_root=f"{server.root}/v1"), "auth": dn.Bearer("t")}
    with pytest.raises(dn.ProtocolError, match="in a circle"):
        dn.google.datasets(LOCATION, **keywords)


def test_what_is_not_there_or_not_allowed(here):
    _, keywords = here
    for name in (f"{LOCATION}/datasets/none", f"{LOCATION}/datasets/none/dicomStores/s"):
        with pytest.raises(dn.AuthError, match="or there is no such thing") as caught:
            dn.google.describe(name, **keywords)
        assert caught.value.status == 403
    with pytest.raises(dn.AuthError) as caught:
        dn.google.stores(DATASET, auth=dn.Bearer("s3cret-wrong"), options=keywords["options"])
    assert caught.value.status == 401
    assert "s3cret" not in str(caught.value)


def test_deleting_a_study_waits_for_its_operation(archive):
    told: list[object] = []
    study = archive.studies().iloc[0]
    table = archive.delete(study, progress=told.append)
    assert table["Outcome"].tolist() == ["deleted"]
    assert told
    assert len(archive.studies()) == 2
    with pytest.raises(dn.NotFound):
        archive.delete(study)


def test_deleting_hands_back_what_goes_on(here, archive):
    series = archive.series()
    table = archive.delete(series, wait=False, expect=3)
    assert table["Outcome"].tolist() == ["deleting"] * 3
    assert [one.wait().state.word for one in table["Operation"]] == ["done"] * 3
    assert len(archive.instances()) == 0
    listed = dn.google.operations(archive)
    assert listed["State"].tolist() == ["done"] * 3
    assert listed["Success"].tolist() == [1] * 3
    assert str(listed["Created"].dtype) == "datetime64[ns, UTC]"
    assert (listed["Ended"] >= listed["Created"]).all()
    found = dn.google.operation(listed["Name"].iloc[0], auth=archive)
    assert found.done


def test_several_are_deleted_and_one_was_gone(archive):
    studies = archive.studies()
    archive.delete(studies.iloc[0])
    with pytest.warns(dn.DicomnbWarning, match="1 of 3 were not deleted"):
        table = archive.delete(studies, expect=3)
    assert table["Outcome"].tolist() == ["failed", "deleted", "deleted"]


def test_an_instance_is_deleted_at_once(archive):
    table = archive.delete(archive.instances().iloc[0], wait=False)
    assert table[["Outcome", "Operation"]].iloc[0].tolist() == ["deleted", None]


def test_the_older_answer_to_deleting_a_study(tmp_path):
    from dicomnb.wire.google_habits import Habits

    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(real_file("CT_small.dcm"), folder)
    server = serve(folder, flavour=Habits(study_delete="empty"), writable=True)
    try:
        with dn.connect(server.url, auth=dn.Bearer(server.token)) as archive:
            table = archive.delete(archive.studies().iloc[0], wait=False)
            assert table["Outcome"].tolist() == ["deleted"]
    finally:
        server.close()


def test_rows_that_lag_behind_a_delete_are_not_relied_on(tmp_path):
    from dicomnb.wire.google_habits import Habits

    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(real_file("CT_small.dcm"), folder)
    server = serve(folder, flavour=Habits(row_lag=60.0), writable=True)
    try:
        with dn.connect(server.url, auth=dn.Bearer(server.token)) as archive:
            study = archive.studies().iloc[0]
            assert archive.delete(study)["Outcome"].tolist() == ["deleted"]
            assert len(archive.studies()) == 1
            with pytest.raises(dn.NotFound):
                archive.delete(study)
    finally:
        server.close()


def deleting(*, polls_until_done: int | None, failure: int = 0):
    """A server whose delete is an operation that takes its time, or for ever (None)."""
    polls: list[str] = []
    name = f"{DATASET}/operations/1"

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            if "/operations/" not in self.path:
                self.answer(200, b"[]", "application/dicom+json")
                return
            polls.append(self.path)
            done = polls_until_done is not None and len(polls) >= polls_until_done
            counter = {"success": "1", **({"failure": str(failure)} if failure else {})}
            self.answer(200, {"name": name, "metadata": {"counter": counter}, "done": done})

        def do_DELETE(self) -> None:  # noqa: N802
            self.answer(200, {"name": name})

    server = serve_handler(Handler)
    return server, f"http://127.0.0.1:{server.server_address[1]}/v1/{STORE}/dicomWeb", polls


def test_a_deletion_that_takes_too_long_is_handed_back():
    server, url, polls = deleting(polls_until_done=None)
    try:
        still = pytest.warns(dn.DicomnbWarning, match="1 of 1 are still being deleted")
        with dn.connect(url) as archive, still:
            table = archive.delete(dn.Ref("1.2"), time_limit=2.0)
        assert table["Outcome"].tolist() == ["deleting"]
        assert "not done after 2 s" in table["Reason"].iloc[0]
        assert not table["Operation"].iloc[0].done
        assert len(polls) > 1
    finally:
        server.shutdown()
        server.server_close()


def test_a_deletion_with_failures_is_no_deletion():
    server, url, _ = deleting(polls_until_done=2, failure=3)
    try:
        with dn.connect(url) as archive, pytest.warns(dn.DicomnbWarning) as told:
            table = archive.delete(dn.Ref("1.2"))
        assert table["Outcome"].tolist() == ["failed"]
        assert table["Operation"].iloc[0].failures == 3
        assert any("3 of 4 items failed" in str(one.message) for one in told)
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_goes_on_by_itself_and_does_not_tell(raw):
    from tests.web.raw_server import response

    server = raw(
        lambda request: (
            response(b"[]")
            if request.method == "GET"
            else response(b'{"operation": "7"}', status=202, kind="application/json")
        )
    )
    with dn.connect(server.url) as archive:
        with pytest.warns(dn.DicomnbWarning, match="still being deleted"):
            table = archive.delete(dn.Ref("1.2"))
        operation = table["Operation"].iloc[0]
        assert operation.name == "7"
        with pytest.raises(dn.Unsupported, match="api_root"):
            operation.poll()
        with pytest.raises(dn.Unsupported, match="cannot be asked to stop"):
            operation.cancel()


def test_behind_a_proxy_operations_are_asked_at_the_root_that_was_given(raw):
    """A root that ends in /dicomWeb without Google's names does not show where the API is."""
    from tests.web.raw_server import response

    name = f"{DATASET}/operations/1"

    def respond(request):
        if request.method == "DELETE":
            return response(f'{{"name": "{name}"}}'.encode(), kind="application/json")
        if request.target == f"/api/v1/{name}":
            return response(f'{{"name": "{name}", "done": true}}'.encode())
        return response(b"[]")

    server = raw(respond)
    where, root = f"{server.root}/viewer/dicomWeb", f"{server.root}/api/v1/"
    with dn.connect(where, options=dn.Options(api_root=root)) as archive:
        assert archive.delete(dn.Ref("1.2"))["Outcome"].tolist() == ["deleted"]
    assert server.requests[-1].target == f"/api/v1/{name}"
