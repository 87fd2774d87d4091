"""`WebSource`: a `Source` over HTTP, by the paths of PS3.18 section 10."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from dicomnb.errors import BadQuery, Unsupported
from dicomnb.operations import Operation
from dicomnb.refs import PLURAL, Ref
from dicomnb.source import Page
from dicomnb.tables.arriving import ArrivingRows
from dicomnb.tables.collector import collector_paused
from dicomnb.web import ladder, paging, retrieving, searching
from dicomnb.web.connection import JSON_HEADERS, Connection, search_path
from dicomnb.web.failures import error_of
from dicomnb.web.google_api import GoogleApi, operation_name, stored_bytes
from dicomnb.web.google_names import api_root_of
from dicomnb.web.result_rows import Received, array_in, columns_of
from dicomnb.web.storing import ERROR_ANSWERS, Batch, not_in_this_form
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.multipart import BrokenPart
from dicomnb.wire.storing import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dicomnb.pool import Cancel
    from dicomnb.query import Query
    from dicomnb.source import Rendering
    from dicomnb.web.answer import Answer
    from dicomnb.wire.multipart import SingleBody, SizedBody
    from dicomnb.wire.parts import Part
    from dicomnb.wire.storing import StoreForm, Upload

__all__ = ["WebSource"]


class WebSource(Connection):
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

    def search(self, query: Query, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """Pages of rows, to the end or to ``query.limit``, each row once.

        Raises:
            BadQuery: the server refuses the search.
            ProtocolError: the answer is no DICOM JSON.
        """
        family = self._known_family()
        columns = columns_of(query)
        if "all" not in query.fields:
            asked_by = (one.path[0] for one in query.filters)
            fields = dict.fromkeys((*query.fields, *asked_by, *family.asked[query.level]))
            refused = self.abilities().search.refused_fields
            kept = tuple(tag for tag in fields if (query.level, tag) not in refused)
            query = replace(query, fields=kept)

        def ask(one: Query, inner: Cancel | None) -> Received:
            with self._asked(one, inner) as answer:
                arriving = ArrivingRows(columns)
                body = array_in(answer, self._options.limits, heard=arriving.feed)
                return Received(body, answer.warnings, answer.concealed, arriving.decoded(body))

        yield from searching.pages(
            paging.Link(
                ask,
                lambda: self.abilities().search,
                self._learn,
                f"{self.address}/{search_path(query)}",
                min(paging.PAGES_IN_FLIGHT, self._options.usual_workers),
                cancel,
            ),
            query,
        )

    def metadata(self, ref: Ref, *, cancel: Cancel | None = None) -> Iterator[Page]:
        """One page with all instances' attributes; bulk data stands as BulkDataURI."""

        def ask(rung: ladder.Rung) -> Answer:
            headers = {**JSON_HEADERS, "Accept": rung.accept}
            return self._send("GET", f"{ref.path}/metadata", headers, cancel=cancel)

        with self._ladders.climb("metadata", ladder.METADATA, ask) as answer:
            rows, count = self._rows(answer)
        is_all = answer.status != retrieving.PARTIAL or ref.level == "instance"
        notes = () if is_all else (retrieving.PARTIAL_WORDS,)
        yield Page(rows, count, complete=is_all, notes=notes)

    def instances(
        self, ref: Ref, *, transfer_syntax: str = "*", cancel: Cancel | None = None
    ) -> Iterator[Part]:
        """Part 10 instances in the order of the server; as stored for ``"*"``."""
        rungs = ladder.instance_rungs(transfer_syntax, single=ref.level == "instance")
        answer = self._climb("instances", rungs, ref.path, cancel=cancel)
        read = retrieving.parts_of if ref.level == "instance" else retrieving.all_parts_of
        yield from read(answer, self._options.limits)

    def stored_bytes(self, refs: Sequence[Ref], *, cancel: Cancel | None = None) -> int | None:
        """Bytes of studies or series, where the server tells: Google by its metrics, which lag."""
        api = self.google_api()
        if api is None or not self.address.startswith(f"{api.root}/projects/"):
            return None
        workers = self._options.usual_workers
        return stored_bytes(api, self.address, refs, workers=workers, cancel=cancel)

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
            told = self._body(answer)
        with collector_paused():
            return batch.read(answer, told)

    def _posted(
        self, body: SizedBody | SingleBody, study: str | None, cancel: Cancel | None
    ) -> Answer:
        return self._transport.send(
            "POST",
            "studies" if study is None else Ref(study).path,
            headers={**JSON_HEADERS, "Content-Type": body.content_type},
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
            answer = self._send("DELETE", ref.path, JSON_HEADERS, cancel=cancel)
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


def _no_delete(ref: Ref, family: str) -> str:
    if "read-only" in family:
        return "The server is read-only; it was not started as writable."
    return (
        f"The server does not delete {PLURAL[ref.level]} over DICOMweb; use its own interface for "
        "that (Orthanc: its REST API or Explorer)."
    )
