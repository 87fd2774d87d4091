"""Searches as values: what is asked, what a server can match, and what is checked here. Pure.

A call becomes a `Query` (`build`), a query and a server's `SearchAbilities` become a `Plan`
of requests that the server can answer (`plan`), and the same rules match a row of DICOM
JSON here (`matches`, PS3.4 section C.2.2.2). What a server cannot match is never sent as if
it could; what its answers show makes new abilities of the old (`SearchAbilities.after`).
"""

from dicomnb.query.abilities import Form, Lesson, PageLimit, SearchAbilities, forms
from dicomnb.query.filters import Filter, Query, build, from_parameters, parameters
from dicomnb.query.plan import Plan, plan
from dicomnb.query.rows import matches, select
from dicomnb.query.split import halves

__all__ = [
    "Filter",
    "Form",
    "Lesson",
    "PageLimit",
    "Plan",
    "Query",
    "SearchAbilities",
    "build",
    "forms",
    "from_parameters",
    "halves",
    "matches",
    "parameters",
    "plan",
    "select",
]
