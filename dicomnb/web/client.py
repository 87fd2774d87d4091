"""`WebSource`: a `Source` over HTTP, by the paths of PS3.18 section 10."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import BadQuery, DicomWebError, NotFound, ProtocolError, Unsupported
from dicomnb.operations import Operation
from dicomnb.options import Options
from dicomnb.query import Filter, Query, parameters
from dicomnb.refs import PLURAL, Ref
from dicomnb.source import Page
from dicomnb.web import families, ladder, paging, retrieving, searching
from dicomnb.web.addresses import base_address
from dicomnb.web.auth import recipe
from dicomnb.web.failures import error_of
from dicomnb.web.google_api import GoogleApi, operation_name
from dicomnb.web.google_names import api_root_of
from dicomnb.web.ladder import Ladders
from dicomnb.web.result_rows import Received, array_in, rows_in
from dicomnb.web.storing import ERROR_ANSWERS, Batch, not_in_this_form
from dicomnb.web.transport import Transport
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.media import DICOM_JSON
from dicomnb.wire.multipart import BrokenPart
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import requests

    from dicomnb.pool import Cancel
    from dicomnb.query import Lesson, SearchAbilities
    from dicomnb.source import Abilities, Rendering
    from dicomnb.web.answer import Answer
    from dicomnb.wire.multipart import SingleBody, SizedBody
    from dicomnb.wire.parts import Part
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["WebSource"]

_JSON_HEADERS = {"Accept": DICOM_JSON, "Accept-Encoding": "gzip"}
_WHAT_IT_LOOKS_LIKE = (
    "A DICOMweb root looks like http://HOST:8042/dicom-web (Orthanc), "
    "https://HOST/dcm4chee-arc/aets/AET/rs (dcm4chee) or "
    "https://healthcare.googleapis.com/v1/projects/…/dicomStores/…/dicomWeb (Google)."
)
_ONE_STUDY = Query("study", filters=(Filter(("0020000D",), "UI", ("2.25.0",)),))


class WebSource:
    """A DICOMweb server.

    Args:
        base_url: its root; ``user:password@`` is taken out of it and used as credentials.
        auth: see `dicomnb.web.auth.recipe`.
        options: how the connection behaves.
        session: a ``requests.Session`` to send through. It is not changed, and used for this
            origin only.

    Raises:
        ConnectionFailed: ``base_url`` is no address of a server.

    Making one asks nothing; `check` does. Pickles as address and recipe.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Any = None,
        options: Options | None = None,
        session: requests.Session | None = None,
    ) -> None:
        base, in_url = base_address(base_url)
        self._options = options or Options()
        # A session brought along has its own credentials, if any: none are added unasked.
        brought = session is not None
        credentials = recipe(auth, origin=base.origin, in_url=in_url, has_session=brought)
        self._transport = Transport(base, options=self._options, auth=credentials, session=session)
        self._ladders = Ladders()
        name = families.by_address(base.path, base.origin.host)
        self._family = families.FAMILIES[name] if name else None
        self._search: SearchAbilities | None = None

    @property
    def address(self) -> str:
        """The DICOMweb root, without secrets and without a slash at the end."""
        return str(self._transport.base)

    @property
    def account(self) -> str:
        """What kind of credentials requests carry, in words, without the credentials."""
        return self._transport.account

    def __repr__(self) -> str:
        return f"WebSource({self.address!r})"

    def check(self) -> None:
        """Make sure that a DICOMweb server is there, with one cheap search.

        Raises:
            ConnectionFailed: nobody answers.
            AuthError: the credentials are not taken.
            NotFound, ProtocolError: what answers is not DICOMweb.
        """
        try:
            server = self._knock(Query("study", limit=1))
        except BadQuery:
            # Some servers take no search without a filter. Orthanc's own API, beside its
            # DICOMweb root, comes here as well: its answer to this one is no DICOM JSON.
            server = self._knock(_ONE_STUDY)
        if self._family is None:
            name = families.by_server_header(server) or self._by_own_words() or "standard"
            self._family = families.FAMILIES[name]

    def abilities(self) -> Abilities:
        """What the server can do, by its family and by what it was seen to do."""
        abilities = self._known_family().abilities
        return replace(abilities, search=self._search or abilities.search)

    def _learn(self, lesson: Lesson) -> bool:
        """Keep what an answer showed; whether it was new.

        Two threads that learn at once may lose a lesson, which is then learned again.
        """
        known = self.abilities().search
        self._search = known.after(lesson)
        return self._search != known

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of rows, to the end or to ``query.limit``, each row once.

        Raises:
            BadQuery: the server refuses the search.
            ProtocolError: the answer is no DICOM JSON.
        """
        family = self._known_family()
        if "all" not in query.fields:
            asked_by = (one.path[0] for one in query.filters)
            fields = dict.fromkeys((*query.fields, *asked_by, *family.asked[query.level]))
            refused = self.abilities().search.refused_fields
            kept = tuple(tag for tag in fields if (query.level, tag) not in refused)
            query = replace(query, fields=kept)

        def ask(one: Query, inner: Cancel | None) -> Received:
            with self._asked(one, inner) as answer:
                return Received(self._array(answer), answer.warnings, answer.concealed)

        yield from searching.pages(
            paging.Link(
                ask,
                lambda: self.abilities().search,
                self._learn,
                f"{self.address}/{_search_path(query)}",
                min(paging.PAGES_IN_FLIGHT, self._options.workers),
                cancel,
            ),
            query,
        )

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """One page with all instances' attributes; bulk data stands as BulkDataURI."""

        def ask(rung: ladder.Rung) -> Answer:
            headers = {**_JSON_HEADERS, "Accept": rung.accept}
            return self._send("GET", f"{ref.path}/metadata", headers, cancel=cancel)

        with self._ladders.climb("metadata", ladder.METADATA, ask) as answer:
            rows, count = self._rows(answer)
        yield Page(rows, count)

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """Part 10 instances in the order of the server; as stored for ``"*"``."""
        rungs = ladder.instance_rungs(transfer_syntax, single=ref.level == "instance")
        answer = self._climb("instances", rungs, ref.path, cancel=cancel)
        yield from retrieving.parts_of(answer, self._options.limits)

    def frames(
        self,
        ref: Ref,
        numbers: Sequence[int],
        *,
        transfer_syntax: str = "*",
        cancel: Cancel | None = None,
    ) -> Iterator[Part]:
        """Frames of one instance, numbers from 1, in the order asked for.

        Raises:
            ValueError: a number below 1.
            ProtocolError: the server sent fewer frames or more.
        """
        rungs = ladder.frame_rungs(transfer_syntax)
        for asked in retrieving.frame_lists(ref, numbers, base=self.address):
            path = f"{ref.path}/frames/{','.join(map(str, asked))}"
            try:
                answer = self._climb("frames", rungs, path, cancel=cancel)
            except BadQuery as error:
                raise retrieving.no_such_frame(error) from None
            parts = retrieving.parts_of(answer, self._options.limits)
            yield from retrieving.counted(parts, asked, url=answer.url)

    def bulk(self, uri: str, *, cancel: Cancel | None = None) -> Iterator[Part]:
        """The data behind a BulkDataURI that this server gave.

        Raises:
            OriginRefused: it leads elsewhere; nothing was sent there.
        """
        answer = self._climb("bulk data", ladder.bulk_rungs(), uri, cancel=cancel)
        yield from retrieving.parts_of(answer, self._options.limits)

    def rendered(
        self, ref: Ref, rendering: Rendering, *, cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """One picture, drawn by the server; of a study or series it may send several.

        A thumbnail is the server's own, else a picture that it draws; which of the two it has
        is remembered.

        Raises:
            Unsupported: the server cannot draw this, or not in this way.
            NotFound: there is no such thing, or no thumbnail of it.
        """
        if rendering.thumbnail:
            yield from self._thumbnail(ref, rendering, cancel)
            return
        path, params = retrieving.rendered_request(
            ref, rendering, self.abilities(), url=f"{self.address}/{ref.path}"
        )
        rungs = ladder.picture_rungs(rendering.format or "png")
        family = f"pictures of a {ref.level}"
        answer = self._climb(family, rungs, path, params=params, cancel=cancel)
        yield from retrieving.parts_of(answer, self._options.limits, pictures=True)

    def _thumbnail(self, ref: Ref, rendering: Rendering, cancel: Cancel | None) -> Iterator[Part]:
        asked = retrieving.thumbnail_requests(ref, rendering, self.abilities())

        def ask(rung: ladder.Rung) -> Answer:
            path, params = asked[rung.service]
            headers = {"Accept": rung.accept}
            answer = self._send("GET", path, headers, params=params, cancel=cancel)
            return retrieving.with_content(answer)

        family = f"thumbnails of a {ref.level}"
        rungs = ladder.thumbnail_rungs(rendering.format, asked)
        answer = self._ladders.climb(family, rungs, ask)
        yield from retrieving.parts_of(answer, self._options.limits, pictures=True)

    def store(
        self,
        uploads: Sequence[Upload],
        *,
        study: str | None = None,
        form: StoreForm = "multipart",
        cancel: Cancel | None = None,
    ) -> list[Outcome]:
        """Store one batch; an outcome for each upload, in their order.

        It is one request, but for instances that are there more than once: each of those
        goes into one of its own, after the one before.

        The request may be sent again after a failure: storing the same instances twice leaves
        what storing them once does. When a file vanishes or changes while it is sent, the
        request is broken off and the others are sent without it.

        Args:
            form: ``"single"`` takes one upload at a time, ``"json"`` `ImageUpload`s.

        Raises:
            Unsupported: the server does not take this form (415); nothing was stored.
            AuthError, …: the server refuses the request as a whole.
        """
        known: dict[int, Outcome] = {}
        while len(known) < len(uploads):
            batch = Batch(uploads, form=form, known=known)
            known = batch.known
            if batch.body is not None:
                known |= self._stored(batch, batch.body, study, form, cancel)
        return [known[place] for place in range(len(uploads))]

    def _stored(
        self,
        batch: Batch,
        body: SizedBody | SingleBody,
        study: str | None,
        form: StoreForm,
        cancel: Cancel | None,
    ) -> dict[int, Outcome]:
        """What became of a batch, or of the one file that broke it off."""
        try:
            answer = self._posted(body, study, cancel)
        except BrokenPart as error:
            why = Outcome("failed", *batch.sent[error.number], reason=error.message)
            return {batch.places[error.number]: why}
        except Unsupported as error:
            if error.status != 415:
                raise
            raise not_in_this_form(error, form) from None
        with answer:
            return batch.read(answer, self._body(answer))

    def _posted(
        self, body: SizedBody | SingleBody, study: str | None, cancel: Cancel | None
    ) -> Answer:
        return self._transport.send(
            "POST",
            "studies" if study is None else Ref(study).path,
            headers={**_JSON_HEADERS, "Content-Type": body.content_type},
            body=body,
            repeatable=True,
            expected=ERROR_ANSWERS,
            cancel=cancel,
        )

    def delete(self, ref: Ref, *, cancel: Cancel | None = None) -> Operation | None:
        """Delete; the operation by which the server goes on with it, or None.

        Raises:
            Unsupported: the server does not delete over DICOMweb.
        """
        url = f"{self.address}/{ref.path}"
        abilities = self.abilities()
        hint = _no_delete(ref, abilities.family)
        if ref.level not in abilities.deletes:
            raise Unsupported(f"{hint} Nothing was sent.", url=url)
        try:
            answer = self._send("DELETE", ref.path, _JSON_HEADERS, cancel=cancel)
        except Unsupported as error:
            words, status = error.server_words, error.status or 405
            raise error_of(status, words, url=url, method="DELETE", hint=hint) from None
        with answer:
            body = answer.read(self._options.limits.error_bytes, name="error_bytes")
        return self._operation(body, answer.status)

    def google_api(self) -> GoogleApi | None:
        """Google's calls beside DICOMweb, with this connection; None where there are none."""
        root, found, _ = self.address.partition("/projects/")
        if not found and not self._options.api_root:
            return None
        root = root if found else api_root_of(self._options.api_root)
        return GoogleApi(self._transport, root, self._options)

    def close(self) -> None:
        """Close the connections. The source can still be used: it opens new ones."""
        self._transport.close()

    def _operation(self, body: bytes, status: int) -> Operation | None:
        """What goes on after an answer to a delete: Google's, or what 202 means elsewhere."""
        try:
            said = msgspec.json.decode(body)
        except NO_JSON:
            said = None
        said = said if isinstance(said, dict) else {}
        name, api = operation_name(said), self.google_api()
        if name is not None and api is not None:
            return api.operation(said)
        if name is None and status != 202:
            return None
        told = name or said.get("operation")
        return Operation(told if isinstance(told, str) else "", ask=None, stop=None)

    def _known_family(self) -> families.Family:
        if self._family is None:
            self.check()
        return self._family or families.FAMILIES["standard"]

    def _knock(self, query: Query) -> str | None:
        """Search once; the Server header of an answer that is DICOMweb's."""
        try:
            with self._asked(query, None) as answer:
                self._rows(answer)
                return answer.headers.get("Server")
        except (NotFound, ProtocolError) as error:
            raise type(error)(
                f"No DICOMweb server there: a search for studies gave no DICOM JSON. "
                f"{_WHAT_IT_LOOKS_LIKE}",
                url=error.url,
                status=error.status,
                server_words=error.server_words or error.message,
            ) from None

    def _by_own_words(self) -> str | None:
        """Whether it is Orthanc, which tells so beside its DICOMweb root."""
        path = families.orthanc_system(self._transport.base.path)
        if path is None:
            return None
        try:
            with self._send("GET", path, {"Accept": "application/json"}) as answer:
                said = msgspec.json.decode(answer.read(self._options.limits.error_bytes))
        except (DicomWebError, *NO_JSON):
            return None
        is_orthanc = isinstance(said, dict) and {"ApiVersion", "DicomAet"} <= said.keys()
        return "orthanc" if is_orthanc else None

    def _asked(self, query: Query, cancel: Cancel | None) -> Answer:
        path, params = _search_path(query), parameters(query)
        return self._send("GET", path, _JSON_HEADERS, params=params, cancel=cancel)

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        *,
        params: Sequence[tuple[str, str]] = (),
        cancel: Cancel | None = None,
    ) -> Answer:
        return self._transport.send(method, path, params=params, headers=headers, cancel=cancel)

    def _climb(
        self,
        family: str,
        rungs: Sequence[ladder.Rung],
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        cancel: Cancel | None = None,
    ) -> Answer:
        """Ask for binary data in the first form that the server gives."""

        def ask(rung: ladder.Rung) -> Answer:
            headers = {"Accept": rung.accept}
            return self._send("GET", path, headers, params=params, cancel=cancel)

        return self._ladders.climb(family, rungs, ask)

    def _rows(self, answer: Answer) -> tuple[bytes, int]:
        return rows_in(self._array(answer), url=answer.url, concealed=answer.concealed)

    def _array(self, answer: Answer) -> bytes:
        """The body of a search or of metadata as JSON, also where it came in parts."""
        return array_in(answer, self._options.limits)

    def _body(self, answer: Answer) -> bytes:
        return answer.read(self._options.limits.page_bytes)


def _search_path(query: Query) -> str:
    within = f"{query.within.path}/" if query.within else ""
    return within + PLURAL[query.level]


def _no_delete(ref: Ref, family: str) -> str:
    if "read-only" in family:
        return "The server is read-only; it was not started as writable."
    return (
        f"The server does not delete {PLURAL[ref.level]} over DICOMweb; use its own interface for "
        "that (Orthanc: its REST API or Explorer)."
    )
