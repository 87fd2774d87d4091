"""The studies of patients along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["timeline"]

_FIRST = pd.Timestamp("1895-11-08")  # Röntgen; what is dated before was dated wrongly
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#777777")
_MOST_LABELS = 14
_MOST_ROWS = 40


def timeline(
    studies: pd.DataFrame,
    *,
    by: str = "PatientID",
    label: str | None = "StudyDescription",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw when studies were made: a row for each patient, a colour for each modality.

    Args:
        studies: a table of studies or series, as `Archive.studies` gives it: StudyDate, or else
            SeriesDate, and ModalitiesInStudy or Modality.
        by: the column whose values get a row each.
        label: the column that is written beside the marks where they are few enough; None for
            none.
        ax: where to draw; a new figure if not given.
        title: over it; how many studies there are if not given.

    Returns:
        The axes: dates along x, rows from top to bottom by their first date.

    Raises:
        ValueError: a column is missing, there is nothing with a date, or there are more than
            40 rows: choose some.

    Example:
        >>> dn.plots.timeline(archive.studies(PatientID="4711"))  # doctest: +SKIP
    """
    date = next((name for name in ("StudyDate", "SeriesDate") if name in studies.columns), None)
    if date is None or by not in studies.columns:
        missing = "StudyDate" if date is None else by
        raise ValueError(f"The table has no column {missing}: give one of studies or series.")
    marks = _marks(studies, date, by, label)
    if marks.empty:
        raise ValueError(f"None of the {len(studies)} rows has a usable date.")
    rows = list(marks.groupby("row", sort=False)["when"].min().sort_values().index)
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"{by} has {len(rows)} values: choose {_MOST_ROWS} of them at most.")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(9, 1.5 + 0.42 * len(rows)), layout="constrained")
    _draw(ax, marks, rows)
    if label is not None and len(rows) == 1:
        _write_labels(ax, marks)
    left_out = len(studies) - int(marks["count"].sum())
    words = f"{_studies(len(studies))}, {_named(by, len(rows))}"
    if left_out:
        words += f"; {left_out} without a usable date"
    ax.set_title(words if title is None else title, loc="left", fontsize=10)
    return ax


def _marks(studies: pd.DataFrame, date: str, by: str, label: str | None) -> pd.DataFrame:
    """One row for each mark: when, on which row, of which modality; studies at one time merged."""
    when = pd.to_datetime(studies[date], errors="coerce").astype("datetime64[s]")
    time = f"{date.removesuffix('Date')}Time"
    if time in studies.columns:
        clock = pd.to_timedelta(studies[time], errors="coerce").fillna(pd.Timedelta(0))
        when = when + clock.dt.floor("s").astype("timedelta64[s]")
    frame = pd.DataFrame(
        {
            "when": when,
            "row": studies[by].astype("string").fillna("(none)"),
            "kind": [_modalities(studies, place) for place in range(len(studies))],
            "label": studies[label].astype("string").fillna("")
            if label is not None and label in studies.columns
            else "",
        }
    )
    frame = frame[frame["when"] >= _FIRST]
    found = frame.groupby(["row", "when", "kind"], sort=False, as_index=False).agg(
        label=("label", "first"), count=("label", "size")
    )
    return found.sort_values("when", kind="stable").reset_index(drop=True)


def _modalities(studies: pd.DataFrame, place: int) -> str:
    """The first modality of images, of what the row names."""
    for column in ("ModalitiesInStudy", "Modality"):
        if column in studies.columns:
            value: Any = studies[column].iloc[place]
            if isinstance(value, str):
                return value
            if isinstance(value, tuple | list | np.ndarray) and len(value):
                images = [one for one in value if one not in ("SR", "SEG", "PR", "KO", "DOC")]
                return "+".join(str(one) for one in (images or value)[:3])
    return "other"


def _draw(ax: Axes, marks: pd.DataFrame, rows: Sequence[str]) -> None:
    """Marks on lines, the first row at the top, and a legend of the modalities."""
    places = {row: number for number, row in enumerate(rows)}
    for row, of_row in marks.groupby("row", sort=False):
        ends = of_row["when"].min(), of_row["when"].max()
        ax.plot(ends, (places[str(row)],) * 2, color="0.6", linewidth=1, zorder=1)
    kinds = sorted(marks["kind"].unique())
    for number, kind in enumerate(kinds):
        of_kind = marks[marks["kind"] == kind]
        # White rims keep marks apart that lie over each other.
        ax.scatter(
            of_kind["when"], [places[row] for row in of_kind["row"]], s=52, zorder=2, label=kind,
            color=_COLOURS[number % len(_COLOURS)], edgecolors=ax.get_facecolor(), linewidths=1,
            marker="osD^vP"[number // len(_COLOURS) % 6],
        )  # fmt: skip
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.margins(x=0.06)
    _write_dates(ax, marks["when"])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8,
              borderaxespad=0)  # fmt: skip


def _write_dates(ax: Axes, when: pd.Series[Any]) -> None:
    """Dates in the ISO's order, so that nobody takes a month for a day."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if when.max() - when.min() < pd.Timedelta(days=1):
        middle = when.min() + (when.max() - when.min()) / 2
        ax.set_xlim(middle - pd.Timedelta(days=3), middle + pd.Timedelta(days=3))
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.grid(axis="x", color="0.5", alpha=0.2)
    ax.set_axisbelow(True)


def _write_labels(ax: Axes, marks: pd.DataFrame) -> None:
    """What each study is, on stems of different heights so that words do not meet."""
    from matplotlib.figure import Figure

    if len(marks) > _MOST_LABELS:
        return
    heights = (-0.55, 0.55, -1.05, 1.05, -1.55, 1.55)
    for number, mark in enumerate(marks.itertuples()):
        height = heights[number % len(heights)]
        words = str(mark.label) if len(str(mark.label)) <= 28 else f"{str(mark.label)[:27]}…"
        if not words:
            continue
        ax.annotate(
            f"{words}\n{mark.when:%Y-%m-%d}", (mark.when, 0), (mark.when, height), fontsize=7.5,
            ha="center", va="bottom" if height < 0 else "top",
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.7, "shrinkB": 4},
        )  # fmt: skip
    deepest = 2.3 if len(marks) > 4 else 1.8 if len(marks) > 2 else 1.3
    ax.set_ylim(deepest, -deepest)
    figure = ax.get_figure()
    if isinstance(figure, Figure) and len(figure.axes) == 1:
        figure.set_figheight(max(figure.get_figheight(), 1.0 + 1.1 * deepest))


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count} studies"


def _named(by: str, count: int) -> str:
    word = "patient" if by in ("PatientID", "PatientName") else f"value of {by}"
    return (
        f"1 {word}"
        if count == 1
        else f"{count} {word.replace('value', 'values')}" + ("s" if word == "patient" else "")
    )
