"""Volumes as the images of other libraries, and back: xarray, NIfTI (nibabel), SimpleITK.

Each keeps the geometry to the last bit in memory. DICOM, SimpleITK and dicomnb mean LPS,
NIfTI means RAS: x and y change their sign. What the other library has no place for (units,
windows, the frame of reference, the name of a fourth axis) travels as text beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomnb.errors import GeometryError, missing
from dicomnb.images.windows import Window
from dicomnb.volumes.axis import Axis
from dicomnb.volumes.grid import is_sheared, spacing_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dicomnb.volumes.placed import Placed

__all__ = ["from_nifti", "from_sitk", "from_xarray", "to_nifti", "to_sitk", "to_xarray"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_TEXTS = ("units", "modality", "title", "frame_of_reference", "photometric")
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_COMMENT = 6  # NIfTI's code of an extension that holds text
_KEY = "dicomnb"


def to_xarray(volume: Placed) -> Any:
    """See `Volume.to_xarray`."""
    try:
        import xarray
    except ImportError as error:
        raise missing("xarray", "A volume as a DataArray", extra="imaging") from error
    names = ["slice", "row", "column"]
    coords: dict[str, Any] = {}
    if volume.spacing is not None:
        for name, count, step in zip(names, volume.shape[-3:], volume.spacing, strict=True):
            coords[name] = (name, np.arange(count) * step, {"units": "mm"})
    if volume.axis is not None:
        names = [volume.axis.keyword, *names]
        coords[names[0]] = (names[0], volume.axis.values, {"units": volume.axis.units})
    attrs: dict[str, Any] = {**_facts(volume)}
    if volume.affine is not None:
        attrs["affine"] = volume.affine.ravel()
    array = np.asarray(volume.array)
    return xarray.DataArray(array, dims=names, coords=coords, attrs=attrs, name=volume.modality)


def from_xarray(data: Any) -> dict[str, Any]:
    """What the volume is made of; see `Volume.from_xarray`."""
    spatial = ("slice", "row", "column")
    if not set(spatial) <= set(data.dims):
        raise ValueError(f"A volume has the dimensions {spatial}; this has {data.dims}.")
    other = [str(name) for name in data.dims if name not in spatial]
    data = data.transpose(*other, *spatial)
    axis = None
    if len(other) == 1:
        values = data[other[0]]
        axis = Axis(other[0], np.asarray(values, np.float64), values.attrs.get("units", ""))
    affine = None
    if "affine" in data.attrs:
        affine = np.array(data.attrs["affine"], np.float64).reshape(4, 4)
        for place, name in enumerate(spatial):
            if name in data.coords and data.sizes[name] > 0:
                _follow(affine, place, np.asarray(data[name], np.float64))
    return dict(array=data.to_numpy(), affine=affine, axis=axis, **_back(data.attrs))


def _follow(affine: Floats, place: int, along: Floats) -> None:
    """Bring an affine in line with the mm along an axis: a DataArray may have been cut.

    Raises:
        GeometryError: what is left is not evenly spaced.
    """
    spacing = spacing_of(affine)[place]
    steps = np.diff(along) / spacing
    step = float(steps[0]) if len(steps) else 1.0
    if step == 0 or (len(steps) and np.abs(steps - step).max() > 1e-6):
        raise GeometryError("The DataArray's coordinates are not evenly spaced: no grid.")
    first = float(along[0]) / spacing
    direction = affine[:3, place].copy()
    if abs(first) > 1e-9:
        affine[:3, 3] += direction * first
    if abs(step - 1) > 1e-9:
        affine[:3, place] = direction * step


def to_nifti(volume: Placed) -> Any:
    """See `Volume.to_nifti`."""
    nibabel = _nibabel()
    affine = volume.grid
    order = (2, 1, 0) if volume.axis is None else (3, 2, 1, 0)
    array = np.asarray(volume.array).transpose(order)
    array = array.view(np.uint8) if array.dtype.kind == "b" else array
    ras = _RAS @ affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(array, ras, dtype=array.dtype)
    image.header.set_xyzt_units("mm", {"ms": "msec", "s": "sec"}.get(_time_units(volume)))
    for coded in (image.set_sform, image.set_qform)[: 1 if is_sheared(affine) else 2]:
        coded(ras, code="scanner")
    if volume.windows:
        low, high = volume.windows[0].center, volume.windows[0].width / 2
        image.header["cal_min"], image.header["cal_max"] = low - high, low + high
    if volume.axis is not None and len(volume.axis.values) > 1 and _time_units(volume):
        image.header["pixdim"][4] = float(np.diff(volume.axis.values).mean())
    told = {_KEY: {**_facts(volume), "affine": affine.tolist()}}
    text = json.dumps(told, ensure_ascii=True).encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text))
    return image


def from_nifti(image: Any) -> dict[str, Any]:
    """What the volume is made of; see `Volume.from_nifti`."""
    nibabel = _nibabel()
    if isinstance(image, str | Path):
        image = nibabel.load(Path(image).expanduser())
    facts: dict[str, Any] = {}
    for extension in image.header.extensions:
        facts = facts or _told(extension.get_content())
    array = np.asanyarray(image.dataobj)
    while array.ndim > 3 and array.shape[-1] == 1 and "axis" not in facts:
        array = array[..., 0]
    if array.ndim not in (3, 4):
        raise ValueError(f"A volume has three dimensions or four, this image has {array.ndim}.")
    affine = (_RAS @ image.affine)[:, [2, 1, 0, 3]]
    exact = np.asarray(facts.get("affine", affine), np.float64)
    if exact.shape == (4, 4) and np.allclose(exact, affine, rtol=1e-6, atol=1e-4):
        affine = exact  # a file keeps single precision; moved images no longer agree with it
    axis = _axis(facts)
    if array.ndim == 4 and (axis is None or len(axis.values) != array.shape[-1]):
        step = float(image.header["pixdim"][4]) or 1.0
        units = {"msec": "ms", "sec": "s"}.get(image.header.get_xyzt_units()[1], "")
        axis = Axis("Time", np.arange(array.shape[-1]) * step, units)
    order = (2, 1, 0) if array.ndim == 3 else (3, 2, 1, 0)
    axis = axis if array.ndim == 4 else None
    return dict(array=array.transpose(order), affine=affine, axis=axis, **_back(facts))


def to_sitk(volume: Placed) -> Any:
    """See `Volume.to_sitk`."""
    sitk = _simpleitk()
    affine = volume.grid
    if is_sheared(affine):
        raise GeometryError(
            "This volume is tilted, which SimpleITK's images cannot be: make it a straight one "
            "with volume.resampled() first."
        )
    array = np.asarray(volume.array)
    array = array.view(np.uint8) if array.dtype.kind == "b" else array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=False)
    spacing = spacing_of(affine)
    direction = (affine[:3, :3] / np.asarray(spacing))[:, ::-1]
    origin = affine[:3, 3]
    steps: tuple[float, ...] = spacing[::-1]
    if volume.axis is not None:
        values = volume.axis.values
        even = float(np.diff(values).mean()) if len(values) > 1 else 1.0
        full = np.eye(4)
        full[:3, :3] = direction
        direction, origin, steps = full, np.append(origin, values[0]), (*steps, even or 1.0)
    image.SetSpacing([abs(step) for step in steps])
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    for key, value in _facts(volume).items():
        image.SetMetaData(f"{_KEY}.{key}", value)
    image.SetMetaData(f"{_KEY}.affine", json.dumps(affine.tolist()))
    return image


def from_sitk(image: Any) -> dict[str, Any]:
    """What the volume is made of; see `Volume.from_sitk`."""
    sitk = _simpleitk()
    depth = image.GetDimension()
    if depth not in (3, 4) or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError("A volume has three or four dimensions and one value a voxel.")
    direction = np.array(image.GetDirection()).reshape(depth, depth)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = (direction * np.array(image.GetSpacing()[:3]))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()[:3]
    prefix = f"{_KEY}."
    facts: dict[str, Any] = {
        key.removeprefix(prefix): image.GetMetaData(key)
        for key in image.GetMetaDataKeys()
        if key.startswith(prefix)
    }
    exact = np.array(json.loads(facts["affine"])) if "affine" in facts else affine
    if exact.shape == (4, 4) and np.allclose(exact, affine, rtol=1e-12, atol=1e-9):
        affine = exact
    array = sitk.GetArrayFromImage(image)
    axis = _axis(facts) if depth == 4 else None
    if depth == 4 and (axis is None or len(axis.values) != len(array)):
        first, step = image.GetOrigin()[3], image.GetSpacing()[3]
        axis = Axis("Time", first + np.arange(len(array)) * step, "")
    return dict(array=array, affine=affine, axis=axis, **_back(facts))


def _facts(volume: Placed) -> dict[str, str]:
    """What travels as text."""
    facts: dict[str, str] = {name: getattr(volume, name) for name in _TEXTS}
    if volume.windows:
        facts["windows"] = json.dumps(
            [[one.center, one.width, one.explanation, one.function] for one in volume.windows]
        )
    if volume.axis is not None:
        axis = volume.axis
        facts["axis"] = json.dumps([axis.keyword, axis.values.tolist(), axis.units])
    if volume.report:
        facts["report"] = json.dumps(volume.report)
    return facts


def _back(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a volume from what travelled; nothing where it came from elsewhere."""
    found: dict[str, Any] = {
        name: str(facts[name]) for name in _TEXTS if isinstance(facts.get(name), str)
    }
    if "windows" in facts:
        found["windows"] = tuple(
            Window(float(center), float(width), str(name), function)
            for center, width, name, function in json.loads(facts["windows"])
        )
    if "report" in facts:
        found["report"] = tuple(map(str, json.loads(facts["report"])))
    return found


def _axis(facts: Mapping[str, Any]) -> Axis | None:
    if "axis" not in facts:
        return None
    keyword, values, units = json.loads(facts["axis"])
    return Axis(str(keyword), np.array(values, np.float64), str(units))


def _told(content: bytes | str) -> dict[str, Any]:
    """What an extension of ours says; nothing where it is somebody else's."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    try:
        found = json.loads(text.rstrip("\x00"))
    except ValueError:
        return {}
    told = found.get(_KEY) if isinstance(found, dict) else None
    return told if isinstance(told, dict) else {}


def _time_units(volume: Placed) -> str:
    units = "" if volume.axis is None else volume.axis.units
    return units if units in ("ms", "s") else ""


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise missing("nibabel", "A volume as a NIfTI image", extra="imaging") from error
    return nibabel


def _simpleitk() -> Any:
    try:
        import SimpleITK
    except ImportError as error:
        raise missing("simpleitk", "A volume as an image of SimpleITK", extra="imaging") from error
    return SimpleITK
