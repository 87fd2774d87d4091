"""What a `WebSource` speaks through: who is there, what it can do, and how it is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from dicomnb.errors import BadQuery, DicomWebError, NotFound, ProtocolError
from dicomnb.options import Options
from dicomnb.query import Filter, Query, parameters
from dicomnb.refs import PLURAL
from dicomnb.web import families, ladder
from dicomnb.web.addresses import base_address
from dicomnb.web.auth import recipe
from dicomnb.web.ladder import Ladders
from dicomnb.web.result_rows import array_in, rows_in
from dicomnb.web.transport import Transport
from dicomnb.wire.jsontext import NO_JSON
from dicomnb.wire.media import DICOM_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests

    from dicomnb.pool import Cancel
    from dicomnb.query import Lesson, SearchAbilities
    from dicomnb.source import Abilities
    from dicomnb.web.answer import Answer

__all__ = ["JSON_HEADERS", "Connection", "search_path"]

JSON_HEADERS = {"Accept": DICOM_JSON, "Accept-Encoding": "gzip"}
_WHAT_IT_LOOKS_LIKE = (
    "A DICOMweb root looks like http://HOST:8042/dicom-web (Orthanc), "
    "https://HOST/dcm4chee-arc/aets/AET/rs (dcm4chee) or "
    "https://healthcare.googleapis.com/v1/projects/…/dicomStores/…/dicomWeb (Google)."
)
_ONE_STUDY = Query("study", filters=(Filter(("0020000D",), "UI", ("2.25.0",)),))


class Connection:
    """A server under its DICOMweb root, and what was found out about it.

    See `dicomnb.web.client.WebSource`, which is one.
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
        return f"{type(self).__name__}({self.address!r})"

    def check(self, *, cancel: Cancel | None = None) -> None:
        """Make sure that a DICOMweb server is there, with one cheap search.

        Raises:
            ConnectionFailed: nobody answers.
            AuthError: the credentials are not taken.
            NotFound, ProtocolError: what answers is not DICOMweb.
            Cancelled: ``cancel`` was set.
        """
        try:
            server = self._knock(Query("study", limit=1), cancel)
        except BadQuery:
            # Some servers take no search without a filter. Orthanc's own API, beside its
            # DICOMweb root, comes here as well: its answer to this one is no DICOM JSON.
            server = self._knock(_ONE_STUDY, cancel)
        if self._family is None:
            name = families.by_server_header(server) or self._by_own_words(cancel) or "standard"
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

    def close(self) -> None:
        """Close the connections. The source can still be used: it opens new ones."""
        self._transport.close()

    def _known_family(self) -> families.Family:
        if self._family is None:
            self.check()
        return self._family or families.FAMILIES["standard"]

    def _knock(self, query: Query, cancel: Cancel | None) -> str | None:
        """Search once; the Server header of an answer that is DICOMweb's."""
        try:
            with self._asked(query, cancel) as answer:
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

    def _by_own_words(self, cancel: Cancel | None) -> str | None:
        """Whether it is Orthanc, which tells so beside its DICOMweb root."""
        path = families.orthanc_system(self._transport.base.path)
        if path is None:
            return None
        try:
            headers = {"Accept": "application/json"}
            with self._send("GET", path, headers, cancel=cancel) as answer:
                said = msgspec.json.decode(answer.read(self._options.limits.error_bytes))
        except (DicomWebError, *NO_JSON):
            return None
        is_orthanc = isinstance(said, dict) and {"ApiVersion", "DicomAet"} <= said.keys()
        return "orthanc" if is_orthanc else None

    def _asked(self, query: Query, cancel: Cancel | None) -> Answer:
        path, params = search_path(query), parameters(query)
        return self._send("GET", path, JSON_HEADERS, params=params, cancel=cancel)

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


def search_path(query: Query) -> str:
    """Below the root: ``studies/1.2/series`` (PS3.18 section 10.6.1)."""
    within = f"{query.within.path}/" if query.within else ""
    return within + PLURAL[query.level]
