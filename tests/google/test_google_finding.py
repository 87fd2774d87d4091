"""Projects and locations, listed by the stand-in and by servers that refuse."""

from __future__ import annotations

import json

import pytest

import dicomnb as dn
from dicomnb.server import serve
from dicomnb.web.google_names import PROJECTS_ROOT
from tests.conftest import real_file
from tests.google.token_server import EMAIL
from tests.web.raw_server import response


@pytest.fixture
def keywords(tmp_path):
    (tmp_path / "CT_small.dcm").write_bytes(real_file("CT_small.dcm").read_bytes())
    server = serve(tmp_path, flavour="google")
    root = server.url.partition("/projects/")[0]
    yield {"auth": dn.Bearer(server.token), "options": dn.Options(api_root=root)}
    server.close()


def test_projects_and_their_locations(keywords):
    projects = dn.google.projects(**keywords)
    assert projects[["Name", "Project", "Title"]].to_numpy().tolist() == [
        ["projects/demo", "demo", "Demo"]
    ]
    expected = [["projects/demo/locations/local", "local"]]
    with dn.connect("projects/demo/locations/local/datasets/demo/dicomStores/demo", **keywords) as (
        archive
    ):
        assert dn.google.locations(archive).to_numpy().tolist() == expected
    for project in ("demo", "projects/demo", "projects/demo/locations/local/datasets/demo"):
        found = dn.google.locations(project, **keywords)
        assert found[["Name", "Location"]].to_numpy().tolist() == expected
    with pytest.raises(dn.RefError, match="is not a project"):
        dn.google.locations("a b", **keywords)
    with pytest.raises(dn.AuthError) as caught:
        dn.google.locations("another", **keywords)
    assert caught.value.status == 403


def test_projects_that_are_gone_are_left_out(raw):
    def respond(request):
        if "pageToken" not in request.target:
            gone = {"projectId": "old", "lifecycleState": "DELETE_REQUESTED", "name": "Old"}
            kept = {"projectId": "z", "lifecycleState": "ACTIVE"}
            return response(json.dumps({"projects": [gone, kept], "nextPageToken": "2"}).encode())
        kept = {"projectId": "a", "lifecycleState": "ACTIVE", "name": "First"}
        return response(json.dumps({"projects": [kept]}).encode())

    server = raw(respond)
    options = dn.Options(api_root=f"{server.root}/v1")
    found = dn.google.projects(auth=dn.Bearer("t"), options=options)
    assert found["Project"].tolist() == ["a", "z"]
    assert found["Title"].tolist() == ["First", ""]
    empty = raw(response(b"{}"))
    options = dn.Options(api_root=f"{empty.root}/v1")
    none = dn.google.projects(auth=dn.Bearer("t"), options=options)
    assert none.dtypes.equals(found.dtypes)
    assert len(none) == 0


def test_without_a_root_googles_resource_manager_is_asked(raw, monkeypatch):
    """Its address is led to this machine: no test reaches beyond it."""
    server = raw(response(b"{}"))
    monkeypatch.setattr("dicomnb.google.finding.PROJECTS_ROOT", f"{server.root}/v1")
    assert len(dn.google.projects(auth=dn.Bearer("t"))) == 0
    assert PROJECTS_ROOT == "https://cloudresourcemanager.googleapis.com/v1"


def test_credentials_tell_project_and_account(tokens, tmp_path, monkeypatch):
    from dicomnb.web.google_auth import Google

    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    key = Google(tokens.key_file(tmp_path / "key.json"))
    assert (key.project, key.identity) == ("p", EMAIL)
    user = Google(tokens.user_file(tmp_path / "user.json"))
    assert (user.project, user.identity) == (None, None)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    assert Google("default").project == "p"
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    assert Google("default").project == "of-the-environment"


def test_credentials_out_of_a_text_are_those_of_the_file(tokens, tmp_path):
    from dicomnb.web.google_auth import Google, credentials_in

    text = tokens.key_file(tmp_path / "key.json").read_text()
    assert Google(credentials_in(text)).identity == EMAIL
    with pytest.raises(dn.AuthError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        credentials_in('{"type": "external_account"}')
    for other in ("[]", '{"type": "service_account"}', "no JSON"):
        with pytest.raises(ValueError, match=r"."):
            credentials_in(other)
