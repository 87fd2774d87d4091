"""De-identification into a new store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from dicomnb.attributes import attribute
from dicomnb.errors import BadQuery, RefError
from dicomnb.google.reaching import ended, reached
from dicomnb.web.google_names import name_in, path_of

if TYPE_CHECKING:
    from dicomnb.operations import Operation, OperationState
    from dicomnb.options import Options

__all__ = ["PROFILES", "configuration", "deidentify"]

PROFILES = {
    "basic": "ATTRIBUTE_CONFIDENTIALITY_BASIC_PROFILE",
    "minimal": "MINIMAL_KEEP_LIST_PROFILE",
    "contents": "DEIDENTIFY_TAG_CONTENTS",
    "all": "KEEP_ALL_PROFILE",
}
"""Short name → profile of the API: what is kept of a data set."""
TEXT = {"all": "REDACT_ALL_TEXT", "sensitive": "REDACT_SENSITIVE_TEXT", "none": "REDACT_NO_TEXT"}
"""Short name → what becomes of text that is burnt into pixels."""
Profile = Literal["basic", "minimal", "contents", "all"]


def deidentify(
    store: Any,
    to: str,
    *,
    config: Profile | Mapping[str, Any] = "basic",
    only: str | None = None,
    wait: bool = True,
    time_limit: float | None = None,
    progress: bool | Callable[[OperationState], None] | None = None,
    auth: Any = None,
    options: Options | None = None,
) -> Operation:
    """Copy a store into a new one, without what identifies patients.

    Args:
        store: the store's name, or an `Archive`; it stays as it is.
        to: the new store's name, in a dataset of the same location; it is made, and must not
            be there yet.
        config: a profile, or what `configuration` or the API's own documents make:
            ``"basic"`` follows PS3.15's Basic Application Level Confidentiality Profile,
            ``"minimal"`` keeps only what a valid data set needs, ``"contents"`` looks for
            sensitive text in every value, ``"all"`` keeps all but UIDs. A profile by its name
            also removes all text from pixels, but for ``"all"``.
        only: ``gs://bucket/file`` that lists what to copy, ``/studies/UID…`` a line.
        wait, time_limit, progress: see `import_`.

    Returns:
        The operation; ``.failures`` tells how many instances failed, and so does a warning.

    Raises:
        RefError: ``to`` is no store, or the same one.
        BadQuery: an unknown profile; or ``to`` is there already.
    """
    body: dict[str, Any] = {"config": dict(_settings(config))}
    if only is not None:
        body["filterConfig"] = {"resourcePathsGcsUri": only}
    with reached(store, "store", auth=auth, options=options) as (api, name):
        body["destinationStore"] = name_in(to, "store")
        if body["destinationStore"] == name:
            raise RefError("A store is not de-identified into itself: give another one as to=.")
        begun = api.operation(api.call("POST", f"{path_of(name)}:deidentify", body=body))
        return ended(begun, wait=wait, time_limit=time_limit, progress=progress)


def configuration(
    profile: Profile = "basic",
    *,
    keep: Iterable[Any] = (),
    remove: Iterable[Any] = (),
    text: Literal["all", "sensitive", "none"] = "all",
    keep_uids: bool = False,
) -> dict[str, Any]:
    """A ``DeidentifyConfig`` of the API.

    Args:
        profile: see `deidentify`. The API takes a list of attributes in place of one: with
            ``keep`` or ``remove``, only those count.
        keep: keywords or tags; all else is removed but what a valid data set needs.
        remove: keywords or tags; all else is kept.
        text: what is removed of text that is burnt into pixels.
        keep_uids: whether UIDs stay as they are.

    Raises:
        BadQuery: an unknown word or keyword, or ``keep`` and ``remove`` at once.

    Example:
        >>> configuration(keep=["Modality", "StudyDate"], text="sensitive")["image"]
        {'textRedactionMode': 'REDACT_SENSITIVE_TEXT'}
    """
    if profile not in PROFILES or text not in TEXT:
        raise BadQuery(
            f"profile= is one of {', '.join(PROFILES)}; text= is one of {', '.join(TEXT)}."
        )
    kept, removed = _keywords(keep), _keywords(remove)
    if kept and removed:
        raise BadQuery("Give keep= or remove=, not both: each says what becomes of the rest.")
    dicom: dict[str, Any] = {"filterProfile": PROFILES[profile]}
    if kept:
        dicom = {"keepList": {"tags": kept}}
    if removed:
        dicom = {"removeList": {"tags": removed}}
    if keep_uids:
        dicom["skipIdRedaction"] = True
    return {"dicom": dicom, "image": {"textRedactionMode": TEXT[text]}}


def _settings(config: Any) -> Mapping[str, Any]:
    if isinstance(config, Mapping):
        return config
    if config not in PROFILES:
        raise BadQuery(
            f"config={config!r} is none of {', '.join(map(repr, PROFILES))}, and no dict."
        )
    return configuration(config, text="none" if config == "all" else "all")


def _keywords(names: Iterable[Any]) -> list[str]:
    """Tags as the API has them, ``"00100010"``; a misspelt keyword is an error."""
    if isinstance(names, str):
        names = [names]
    return [attribute(name).tag for name in names]
