"""From a query and a server's abilities to requests that it answers rightly. Pure."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dicomnb.query.abilities import RANGED, TEXT, Form, forms, kind_of

if TYPE_CHECKING:
    from dicomnb.query.abilities import SearchAbilities
    from dicomnb.query.filters import Filter, Query

__all__ = ["Plan", "plan"]

FEW_REQUESTS = 100
"""Into how many requests a search is split where something else bounds it as well."""
MOST_REQUESTS = 1000
"""Into how many it is split before it is asked wide, with nothing to bound it, and checked."""
UIDS_A_REQUEST = 50
"""How many UIDs of 64 characters fit in a URL that every proxy lets pass."""
_ESCAPED = re.compile(r"[^A-Za-z0-9._~*?,-]")
"""What has to be escaped in a value (RFC 3986), and what servers do not agree on."""


@dataclass(frozen=True)
class Plan:
    """What to ask a server, and what is left to do with its rows.

    Attributes:
        queries: to be asked, side by side; a row may come from several.
        check: filters to apply here, because the server cannot.
        limit: rows to keep after that, or None.
        offset: rows to pass over after that.
        bounded: False when nothing that was asked for limits what the server sends.
    """

    queries: tuple[Query, ...]
    check: tuple[Filter, ...] = ()
    limit: int | None = None
    offset: int = 0
    bounded: bool = True


class _Sent(NamedTuple):
    """A filter, and what to send for it: one of the choices in each request."""

    asked: Filter
    choices: list[Filter]
    is_exact: bool
    needs_fuzzy: bool
    bounds: bool


def plan(query: Query, abilities: SearchAbilities) -> Plan:
    """Requests that a server of these abilities answers rightly, and the rest to do here."""
    sent: list[_Sent] = []
    check: list[Filter] = []
    asked = [one for one in query.filters if not one.is_universal]
    for one in asked:
        found = _choices(one, query, abilities)
        is_again = any(one.path == other.asked.path for other in sent)
        if is_again or not found.is_exact:
            check.append(one)
        # A name twice in one request would mean either of its values, not both.
        if found.choices and not is_again:
            sent.append(found)
    fuzzy = query.fuzzy or any(one.needs_fuzzy for one in sent)
    if query.fuzzy and not abilities.fuzzy:
        # Ask wide, and look for the beginnings of words here.
        names = [one for one in asked if one.vr == "PN"]
        check = [*(one for one in check if one not in names), *names]
        sent = [one for one in sent if one.asked not in names]
        fuzzy = False
    elif fuzzy and not query.fuzzy:
        # Fuzzy is for the whole request: it widens names that were meant exactly as well.
        check += [one for one in asked if one.vr == "PN" and one not in check]
    sent, unsent = _few(sent, is_within=query.within is not None)
    check += [one for one in unsent if one not in check]
    bounded = any(one.bounds for one in sent) or query.within is not None or not asked
    whole = replace(query, fields=_fields(query, check, abilities), fuzzy=fuzzy)
    requests = list(itertools.product(*(one.choices for one in sent)))
    if not check and len(requests) == 1:
        return Plan((replace(whole, filters=requests[0]),), bounded=bounded)
    # Of rows that need no check, no request has to bring more than are wanted in all.
    most = None if check or query.limit is None else query.limit + query.offset
    whole = replace(whole, limit=most, offset=0)
    queries = tuple(replace(whole, filters=filters) for filters in requests)
    return Plan(queries, tuple(check), query.limit, query.offset, bounded)


def _few(sent: list[_Sent], *, is_within: bool) -> tuple[list[_Sent], list[Filter]]:
    """As many of the filters as make few requests together, and the ones to check here.

    A last filter that bounds the search is split further than one beside others: many small
    requests cost less than everything a server has.
    """
    kept = sorted(sent, key=lambda one: len(one.choices))
    unsent: list[Filter] = []
    while (count := math.prod(len(one.choices) for one in kept)) > FEW_REQUESTS:
        others = is_within or any(one.bounds for one in kept[:-1])
        if count <= MOST_REQUESTS and not others:
            break
        unsent.append(kept.pop().asked)
    return kept, unsent


def _fields(query: Query, check: list[Filter], abilities: SearchAbilities) -> tuple[str, ...]:
    """What to have brought: also what is asked by, to see whether the server heeds it."""
    if "all" in query.fields and abilities.all_fields:
        return ("all",)
    checked = (one.path[0] for one in (*query.filters, *check))
    wanted = dict.fromkeys((*(tag for tag in query.fields if tag != "all"), *checked))
    return tuple(tag for tag in wanted if (query.level, tag) not in abilities.refused_fields)


def _choices(one: Filter, query: Query, abilities: SearchAbilities) -> _Sent:
    """What to send for a filter; no choices where it cannot be sent at all."""
    nothing = _Sent(one, [], False, False, False)
    level = query.level
    if abilities.attributes is not None and (
        len(one.path) > 1 or one.path[0] not in abilities.attributes[level]
    ):
        return nothing
    if len(one.values) > UIDS_A_REQUEST * MOST_REQUESTS:
        return nothing  # not a million requests
    widened = [_widened(value, one, query, abilities) for value in one.values]
    if any(text is None for text, _ in widened):
        return nothing
    needs_fuzzy = any(is_fuzzy for _, is_fuzzy in widened)
    values = tuple(dict.fromkeys(str(text) for text, _ in widened))
    size = 1
    if one.vr == "UI" and abilities.uid_lists:
        a_list = Form(level, one.path, "list")
        size = 1 if a_list in abilities.refused | abilities.ignored else UIDS_A_REQUEST
    if len(values) > size * MOST_REQUESTS:
        return nothing
    batches = [values[start : start + size] for start in range(0, len(values), size)]
    exact = values == one.values and not needs_fuzzy
    if abilities.undated_before and one.vr in RANGED:
        exact = exact and not any(value.startswith("-") for value in values)
    choices = [replace(one, values=batch) for batch in batches]
    heeded = all(abilities.bounds(choice, level) for choice in choices)
    if not heeded and len(choices) > 1:
        return nothing  # each request would bring everything
    exact = exact and not any(abilities.loose & forms(choice, level) for choice in choices)
    return _Sent(one, choices, exact and heeded, needs_fuzzy, heeded)


def _widened(
    value: str, one: Filter, query: Query, abilities: SearchAbilities
) -> tuple[str | None, bool]:
    """What to send for a value, or None when nothing helps; and whether fuzzy is needed."""
    if one.vr in TEXT and not abilities.unescapes:
        value = _ESCAPED.sub(lambda sign: "?" if sign[0].isascii() else "*", value)
    kind = kind_of(value, one.vr)
    is_refused = Form(query.level, one.path, kind) in abilities.refused
    if kind == "wildcard" and (is_refused or not abilities.wildcards):
        beginning = value.replace("?", "*").split("*")[0]
        if one.vr == "PN" and abilities.fuzzy and beginning.strip("^ "):
            return beginning, True
        return None, False
    if kind == "range" and abilities.ranges is not None and one.path[-1] not in abilities.ranges:
        return None, False
    return (None if is_refused else value), False
