"""Standardised uptake values of PET, by QIBA's vendor-neutral rules.

SUV = activity concentration × body measure ÷ injected dose, both at one and the same time. The
rules are those of the QIBA profile FDG-PET/CT (vendor-neutral pseudo-code, "happy path" and its
exceptions): values must be corrected for attenuation and decay, the dose is decayed to the
time that they were corrected to, and that time is SeriesTime only if the series was not made
afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from dicomnb.errors import UnitsError
from dicomnb.images.display import modality
from dicomnb.images.headers import number, text
from dicomnb.images.moments import moment, moment_of, time_of
from dicomnb.images.pixels import name_of
from dicomnb.images.realworld import real_world_mappings

if TYPE_CHECKING:
    from datetime import datetime

    from pydicom import Dataset

    Array = np.ndarray[Any, Any]

__all__ = ["Normalisation", "Uptake", "suv", "suv_of_stored", "uptake"]

Normalisation = Literal["bw", "lbm", "bsa"]

_UNITS = {"bw": "g/ml", "lbm": "g/ml", "bsa": "cm2/ml"}
_NAMES = {"bw": "body weight", "lbm": "lean body mass", "bsa": "body surface area"}
_PHILIPS = "Philips PET Private Group"
_GE = "GEMS_PETD_01"
#: Later than this after the injection nothing is left to measure of a short-lived tracer.
_LONGEST_HALF_LIVES = 12


@dataclass(frozen=True)
class Uptake:
    """What turns modality values into SUV.

    Attributes:
        factor: to multiply modality values by.
        by: ``"bw"`` body weight, ``"lbm"`` lean body mass (James), ``"bsa"`` body surface area
            (Du Bois).
        units: ``"g/ml"``, or ``"cm2/ml"`` for body surface area.
        dose: Bq injected, decayed to the time of the scan; NaN where the files hold SUV or
            the vendor's own factor.
        steps: how the factor came about, a sentence each.
    """

    factor: float
    by: Normalisation
    units: str
    dose: float = math.nan
    steps: tuple[str, ...] = ()


def suv(values: Array, dataset: Dataset, *, by: Normalisation = "bw") -> Array:
    """Modality values of a PET image to standardised uptake values.

    Args:
        values: modality values (Bq/ml as a rule), of any shape.
        dataset: the image, or its header.
        by: see `Uptake`.

    Returns:
        float32 of the same shape.

    Raises:
        UnitsError: the factor cannot be known; names every reason.
    """
    return (np.asarray(values, np.float64) * uptake(dataset, by=by).factor).astype(np.float32)


def uptake(dataset: Dataset, *, by: Normalisation = "bw") -> Uptake:
    """Work out the factor from modality values to SUV.

    Args:
        dataset: a PET image or its header, which is not changed.
        by: what to normalise by; see `Uptake`.

    Raises:
        UnitsError: it cannot be known. The message names every reason at once: not PET, not
            corrected for attenuation or decay, unknown units, no dose, half-life, time of
            injection, weight (height and sex as well for lean body mass, height for body
            surface area), or times that contradict each other.
        ValueError: an unknown ``by``.
    """
    if by not in get_args(Normalisation):
        raise ValueError(f"by={by!r}: it is 'bw', 'lbm' or 'bsa'.")
    reasons: list[str] = []
    if (modality := text(dataset, "Modality")) != "PT":
        raise UnitsError(
            f"{name_of(dataset)} has no SUV: it is {modality or 'of no modality'}, not PT."
        )
    units = _units(dataset)
    measure = _body(dataset, by, reasons)
    if units == "GML":
        found = _already(dataset, by, reasons)
    elif units == "CNTS" and (own := _private(dataset, _PHILIPS, 0x7053, 0x00)):
        weight = number(dataset, "PatientWeight") or math.nan
        step = f"The vendor's own SUV factor (7053,1000) is {own:g}."
        found = Uptake(own * measure / (weight * 1000), by, _UNITS[by], steps=(step,))
        if math.isnan(found.factor):
            reasons.append("PatientWeight is missing")
    else:
        found = _from_concentration(dataset, by, units, measure, reasons)
    if reasons:
        raise UnitsError(
            f"SUV by {_NAMES[by]} of {name_of(dataset)} cannot be known: {'; '.join(reasons)}."
        )
    return found


def suv_of_stored(
    stored: Array, dataset: Dataset, *, frame: int = 1, by: Normalisation = "bw"
) -> Array:
    """Stored values of one frame to SUV: by a real-world mapping that says so, else as `suv`.

    Args:
        stored: stored values of one frame.
        dataset: the image, or its header.
        frame: number of the frame, from 1.
        by: see `Uptake`.

    Raises:
        UnitsError: the factor cannot be known; see `uptake`.
    """
    concentration = None
    for mapping in real_world_mappings(dataset, frame=frame):
        if mapping.units == f"{{SUV{by}}}{_UNITS[by]}":
            return mapping.apply(stored).astype(np.float32)
        if mapping.units == "Bq/ml":
            concentration = mapping
    if concentration is not None and not text(dataset, "Units"):
        return suv(concentration.apply(stored), dataset, by=by)
    return suv(modality(stored, dataset, frame=frame), dataset, by=by)


def _from_concentration(
    dataset: Dataset, by: Normalisation, units: str, measure: float, reasons: list[str]
) -> Uptake:
    """From Bq/ml: the body's measure over the dose that was left at the time of the scan."""
    scale, steps = 1.0, []
    if units == "CNTS":
        scale = _private(dataset, _PHILIPS, 0x7053, 0x09) or math.nan
        steps.append(f"Counts become Bq/ml by the vendor's factor (7053,1009), {scale:g}.")
        if math.isnan(scale):
            reasons.append("Units are CNTS, and the vendor's factors (7053,1000) and (7053,1009) "
                           "are missing")  # fmt: skip
    elif units != "BQML":
        reasons.append(f"Units are {units or 'missing'}, not BQML, GML or CNTS")
    if not _is_corrected(dataset, "ATTN", "AttenuationCorrected"):
        reasons.append("values are not corrected for attenuation (CorrectedImage)")
    if not _is_corrected(dataset, "DECY", "DecayCorrected"):
        reasons.append("values are not corrected for decay (CorrectedImage)")
    dose, step = _dose_at_scan(dataset, reasons)
    steps += [step, f"The body measures {measure:.6g} {'cm2' if by == 'bsa' else 'g'}."]
    factor = scale * measure / dose if dose > 0 else math.nan
    return Uptake(factor, by, _UNITS[by], dose, tuple(steps))


def _already(dataset: Dataset, by: Normalisation, reasons: list[str]) -> Uptake:
    """Units of GML: values are SUV, by body weight unless SUVType says otherwise."""
    kind = text(dataset, "SUVType").upper() or "BW"
    if kind not in ("BW", "LBM", "BSA", "LBMJAMES128", "LBMJANMA"):
        reasons.append(f"values are SUV of another kind, SUVType {kind}")
    elif not kind.lower().startswith(by):
        reasons.append(f"values are SUV already, but by {kind}; ask for that")
    return Uptake(1.0, by, _UNITS[by], steps=(f"Values are SUV {kind} already.",))


def _units(dataset: Dataset) -> str:
    """BQML, CNTS, GML, …; of enhanced PET, from the units of its real-world values."""
    units = text(dataset, "Units").upper()
    if units:
        return units
    found = [mapping.units for mapping in real_world_mappings(dataset)]
    return "BQML" if "Bq/ml" in found else "".join(found[:1])


def _is_corrected(dataset: Dataset, word: str, keyword: str) -> bool:
    """Whether CorrectedImage, or an enhanced object's own attribute, says so."""
    listed = text(dataset, "CorrectedImage").upper().split("\\")
    return word in listed or text(dataset, keyword).upper() == "YES"


def _body(dataset: Dataset, by: Normalisation, reasons: list[str]) -> float:
    """Weight or lean body mass in g, or surface in cm²; NaN where something is missing."""
    weight, height = number(dataset, "PatientWeight"), number(dataset, "PatientSize")
    sex = text(dataset, "PatientSex").upper()
    missing = []
    if not weight or weight <= 0:
        missing.append("PatientWeight is missing")
    if by != "bw" and (not height or not 0.3 < height < 2.8):
        missing.append("PatientSize is missing" if not height else f"PatientSize is {height:g} m")
    if by == "lbm" and sex not in ("M", "F"):
        missing.append(f"PatientSex is {sex or 'missing'}: the formula knows M and F")
    if missing:
        # Values that are SUV already need no weight.
        reasons.extend([] if _units(dataset) == "GML" else missing)
        return math.nan
    if by == "bw":
        return 1000 * (weight or 0)
    centimetres = 100 * (height or 0)
    if by == "bsa":
        return float(71.84 * (weight or 0) ** 0.425 * centimetres**0.725)
    a, b = (1.10, 120.0) if sex == "M" else (1.07, 148.0)
    kilograms = weight or 0
    return 1000 * (a * kilograms - b * (kilograms / centimetres) ** 2)


def _dose_at_scan(dataset: Dataset, reasons: list[str]) -> tuple[float, str]:
    """Bq that were left at the time that the values are corrected to."""
    items = dataset.get("RadiopharmaceuticalInformationSequence")
    item = items[0] if items else dataset
    dose, half_life = number(item, "RadionuclideTotalDose"), number(item, "RadionuclideHalfLife")
    for value, keyword in ((dose, "RadionuclideTotalDose"), (half_life, "RadionuclideHalfLife")):
        if not value or value <= 0:
            reasons.append(f"{keyword} is missing")
    if not dose or not half_life or dose <= 0 or half_life <= 0:
        return math.nan, ""
    if dose < 1e4:  # some write MBq, and one MBq is less than anyone injects
        reasons.append(f"RadionuclideTotalDose is {dose:g}, which cannot be in Bq")
        return math.nan, ""
    correction = text(dataset, "DecayCorrection").upper()
    if correction == "ADMIN":
        return dose, f"Values are corrected to the injection of {dose:.4g} Bq."
    if correction not in ("START", "") or (not correction and not _enhanced_reference(dataset)):
        reasons.append(f"DecayCorrection is {correction or 'missing'}, not START or ADMIN")
        return math.nan, ""
    scan = _enhanced_reference(dataset) or _scan_time(dataset, half_life, reasons)
    if scan is None:
        return math.nan, ""
    injection = _injection_time(item, scan, reasons)
    if injection is None:
        return math.nan, ""
    seconds = (scan - injection).total_seconds()
    if not 0 <= seconds <= _LONGEST_HALF_LIVES * half_life:
        reasons.append(
            f"the scan at {scan:%Y-%m-%d %H:%M:%S} and the injection at "
            f"{injection:%Y-%m-%d %H:%M:%S} lie {seconds:,.0f} s apart"
        )
        return math.nan, ""
    left: float = dose * 2 ** (-seconds / half_life)
    return left, (
        f"Of {dose:.4g} Bq injected at {injection:%H:%M:%S}, {left:.4g} Bq were left at "
        f"{scan:%H:%M:%S}."
    )


def _enhanced_reference(dataset: Dataset) -> datetime | None:
    """The time that an enhanced object says its values are corrected to."""
    return moment(text(dataset, "DecayCorrectionDateTime"))


def _scan_time(dataset: Dataset, half_life: float, reasons: list[str]) -> datetime | None:
    """When the scan began: the time that START corrects to.

    That is the series' time, unless the image was acquired before the series was made: then
    the vendor's own time, or the acquisition's, less the frame's offset from the start.
    """
    series = moment_of(dataset, "Series")
    acquired = moment_of(dataset, "Acquisition") or moment(text(dataset, "AcquisitionDateTime"))
    if series is not None and acquired is not None and series <= acquired:
        return series
    own = moment(str(_private(dataset, _GE, 0x0009, 0x0D, words=True) or ""))
    if own is not None:
        return own
    offset, duration = number(dataset, "FrameReferenceTime"), number(dataset, "ActualFrameDuration")
    if acquired is not None and offset is not None and duration and offset > 0 and duration > 0:
        decay = math.log(2) / half_life
        during = decay * duration / 1000
        average = math.log(during / -math.expm1(-during)) / decay
        return acquired - timedelta(seconds=offset / 1000 - average)
    if series is None or acquired is None:
        missing = [k for k, v in (("Series", series), ("Acquisition", acquired)) if v is None]
        reasons.append(f"{' and '.join(missing)} date and time are missing")
    else:
        reasons.append(
            "SeriesTime is later than AcquisitionTime, so the series was made afterwards, and "
            "FrameReferenceTime and ActualFrameDuration do not tell when the scan began"
        )
    return None


def _injection_time(item: Dataset, scan: datetime, reasons: list[str]) -> datetime | None:
    """When the tracer was given: the date and time, or the latest such time before the scan.

    A time alone has no date: 23:50 of a scan at 00:40 is that of the day before.
    """
    exact = moment(text(item, "RadiopharmaceuticalStartDateTime"))
    if exact is not None:
        return exact
    clock = time_of(text(item, "RadiopharmaceuticalStartTime"))
    if clock is None:
        reasons.append("RadiopharmaceuticalStartDateTime and RadiopharmaceuticalStartTime are "
                       "missing")  # fmt: skip
        return None
    same_day = scan.replace(hour=0, minute=0, second=0, microsecond=0) + clock
    return same_day if same_day <= scan else same_day - timedelta(days=1)


def _private(
    dataset: Dataset, creator: str, group: int, element: int, *, words: bool = False
) -> Any:
    """A private value of a vendor: a number, or text; None where it is not there or 0."""
    try:
        value = dataset.private_block(group, creator)[element].value
    except KeyError:
        return None
    if isinstance(value, bytes):  # read without knowing its VR
        value = value.decode("latin-1").strip("\x00 ")
    if words:
        return value
    try:
        return float(value) or None
    except (TypeError, ValueError):
        return None
