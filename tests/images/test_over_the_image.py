"""What lies over an image or shows it otherwise: overlays, ICC, supplemental palettes, states."""

from __future__ import annotations

import struct

import numpy as np
import pydicom
import pytest
from PIL import ImageCms
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnb.errors import DecodeError
from dicomnb.images import (
    burnt_in,
    overlays,
    picture,
    presentation,
    shuttered,
    to_srgb,
    turned,
    window,
    with_state,
    ybr_to_rgb,
)
from dicomnb.images.decode import decode
from dicomnb.images.display import voi, voi_table
from tests.images import real_files
from tests.images.image_series import instance

VALUES = (np.arange(12 * 10).reshape(12, 10) * 30).astype(np.uint16)
RNG = np.random.default_rng(5)


# --- overlays ---------------------------------------------------------------------------------


def packed(planes):
    bits = np.packbits(np.asarray(planes).astype(np.uint8).reshape(-1), bitorder="little")
    return bits.tobytes() + bytes(len(bits) % 2)


def overlaid(ds, planes, *, group=0x6000, origin=(1, 1), frames=None, first=None):
    planes = np.asarray(planes)
    ds.add_new((group, 0x0010), "US", planes.shape[-2])
    ds.add_new((group, 0x0011), "US", planes.shape[-1])
    ds.add_new((group, 0x0040), "CS", "R")
    ds.add_new((group, 0x0050), "SS", list(origin))
    ds.add_new((group, 0x0100), "US", 1)
    ds.add_new((group, 0x0102), "US", 0)
    ds.add_new((group, 0x1500), "LO", "Heart")
    ds.add_new((group, 0x3000), "OW", packed(planes))
    if frames is not None:
        ds.add_new((group, 0x0015), "IS", frames)
    if first is not None:
        ds.add_new((group, 0x0051), "US", first)
    return ds


def test_a_real_overlay_is_that_of_pydicom():
    ds = real_files.read("MR-SIEMENS-DICOM-WithOverlays.dcm")
    (found,) = overlays(ds)
    expected = ds.overlay_array(0x6000).astype(bool)
    np.testing.assert_array_equal(found.plane, expected)
    assert found.plane.any()
    before = ds.to_json()
    shown = picture(ds, overlays=True)
    np.testing.assert_array_equal(shown[expected], 255)
    np.testing.assert_array_equal(shown[~expected], picture(ds)[~expected])
    assert ds.to_json() == before


def test_overlays_may_lie_partly_outside():
    plane = RNG.random((8, 7)) > 0.5
    for origin in ((1, 1), (3, 2), (-2, -1), (9, 8), (40, 1)):
        ds = overlaid(instance(VALUES), plane, origin=origin)
        (found,) = overlays(ds)
        expected = np.zeros((12, 10), bool)
        for row, column in np.argwhere(plane):
            y, x = row + origin[0] - 1, column + origin[1] - 1
            if 0 <= y < 12 and 0 <= x < 10:
                expected[y, x] = True
        np.testing.assert_array_equal(found.plane, expected)
    assert (found.kind, found.label, found.group) == ("R", "Heart", 0x6000)


def test_overlays_of_each_frame():
    planes = RNG.random((2, 12, 10)) > 0.5
    ds = overlaid(instance(np.stack([VALUES] * 4)), planes, frames=2, first=2)
    overlaid(ds, planes[0], group=0x6002)
    for frame, expected in ((1, []), (2, [planes[0]]), (3, [planes[1]]), (4, [])):
        found = [one.plane for one in overlays(ds, frame=frame)]
        np.testing.assert_array_equal(found, [*expected, planes[0]])


@pytest.mark.parametrize("signed", [False, True])
def test_overlays_in_unused_bits(signed):
    plane = RNG.random((12, 10)) > 0.5
    stored = (VALUES & 0xFFF) | (plane.astype(np.uint16) << 14)
    ds = instance(stored, BitsStored=12, HighBit=11, PixelRepresentation=int(signed))
    elements = (
        *((0x10, "US", 12), (0x11, "US", 10), (0x40, "CS", "G")),
        *((0x50, "SS", [1, 1]), (0x100, "US", 16), (0x102, "US", 14)),
    )
    for element, vr, value in elements:
        ds.add_new((0x6000, element), vr, value)
    before = ds.to_json()
    (found,) = overlays(ds)
    assert ds.to_json() == before
    np.testing.assert_array_equal(found.plane, plane)
    np.testing.assert_array_equal(decode(ds)[0] & 0xFFF, VALUES & 0xFFF)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    with pytest.raises(DecodeError, match="bit 14"):
        overlays(ds)


def test_overlays_that_are_damaged():
    ds = overlaid(instance(VALUES), np.ones((12, 10)))
    ds[0x6000, 0x3000].value = b"ab"
    with pytest.raises(DecodeError, match=r"6000 .* is cut"):
        picture(ds, overlays=True)
    assert overlays(instance(VALUES)) == ()
    grey = np.zeros((2, 2), np.uint8)
    assert burnt_in(grey, ()) is grey


# --- colour -----------------------------------------------------------------------------------


def swapped_profile():
    """An sRGB profile whose red and green have changed places."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    for number in range(count):
        at = 132 + 12 * number
        name = bytes(data[at : at + 4])
        data[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


def colour_image(**more):
    rgb = np.zeros((12, 10, 3), np.uint8)
    rgb[..., 0], rgb[:6, :, 1] = 255, 80
    facts = {
        "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0,
        "Rows": 12, "Columns": 10, "NumberOfFrames": None, **more,
    }  # fmt: skip
    return instance(rgb, **facts), rgb


def test_an_icc_profile_is_applied():
    ds, rgb = colour_image()
    np.testing.assert_array_equal(picture(ds), rgb)
    ds.ICCProfile = swapped_profile()
    before = ds.to_json()
    difference = picture(ds).astype(int) - rgb[..., [1, 0, 2]]
    assert np.abs(difference).max() <= 2
    assert ds.to_json() == before
    path = Dataset()
    path.ICCProfile = ds.ICCProfile
    del ds.ICCProfile
    ds.OpticalPathSequence = Sequence([path])
    assert np.abs(picture(ds).astype(int) - rgb[..., [1, 0, 2]]).max() <= 2
    path.ICCProfile = b"none"
    with pytest.raises(DecodeError, match="ICC profile cannot be used"):
        picture(ds)


def test_an_srgb_profile_changes_nothing():
    _, rgb = colour_image()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(to_srgb(rgb, profile).astype(int) - rgb).max() <= 1


def test_a_supplemental_palette_colours_what_it_maps():
    ds = real_files.read("eCT_Supplemental.dcm")
    stored = decode(ds, 1)[0]
    first = ds.RedPaletteColorLookupTableDescriptor[1]
    count = ds.RedPaletteColorLookupTableDescriptor[0] or 1 << 16
    mapped = (stored >= first) & (stored < first + count)
    found = picture(ds)
    assert found.shape == (*stored.shape, 3)
    from pydicom.pixels import apply_color_lut

    only_colour = real_files.read("eCT_Supplemental.dcm")
    del only_colour.PixelPresentation
    only_colour.PhotometricInterpretation = "PALETTE COLOR"
    coloured = apply_color_lut(stored, only_colour)
    coloured = coloured >> 8 if coloured.dtype == np.uint16 else coloured
    np.testing.assert_array_equal(found[mapped], coloured[mapped])
    grey = found[~mapped]
    assert mapped.any()
    assert grey.size
    np.testing.assert_array_equal(grey[:, 0], grey[:, 2])
    ds.PixelPresentation = "MONOCHROME"
    plain = picture(ds)
    assert plain.ndim == 2
    np.testing.assert_array_equal(grey[:, 1], plain[~mapped])


def test_partial_ybr():
    """The standard's own formula, the other way round (PS3.3 C.7.6.3.1.2, retired)."""
    rgb = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    r, g, b = (rgb[..., n].astype(float) for n in range(3))
    y = 0.2568 * r + 0.5041 * g + 0.0979 * b + 16
    cb = -0.1482 * r - 0.2910 * g + 0.4392 * b + 128
    cr = 0.4392 * r - 0.3678 * g - 0.0714 * b + 128
    ybr = np.rint(np.stack([y, cb, cr], -1)).astype(np.uint8)
    assert np.abs(ybr_to_rgb(ybr, partial=True).astype(int) - rgb).max() <= 2
    grey = np.repeat(RNG.integers(16, 236, (2, 4, 1)), 1, -1).astype(np.uint8)
    packed422 = np.empty((2, 2, 4), np.uint8)
    packed422[..., :2], packed422[..., 2:] = grey.reshape(2, 2, 2), 128
    ds = instance(
        packed422.reshape(2, 8), Columns=4, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation="YBR_PARTIAL_422",
    )  # fmt: skip
    expected = np.clip((grey.astype(float) - 16) * 255 / 219, 0, 255)
    assert np.abs(decode(ds)[0] - expected).max() <= 0.51
    ds.PhotometricInterpretation = "YBR_PARTIAL_420"
    with pytest.raises(DecodeError, match="YBR_PARTIAL_420 without compression"):
        decode(ds)


# --- look-up tables ---------------------------------------------------------------------------


def table(entries, first=0, bits=8, **more):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def test_a_voi_table_is_chosen_by_name():
    tables = [table([1, 2, 3], LUTExplanation="NORMAL"), table([9, 8, 7], LUTExplanation="HARDER")]
    ds = instance(VALUES, VOILUTSequence=Sequence(tables))
    array = np.array([0, 1, 2], np.int16)
    assert voi(array, ds).tolist() == [1, 2, 3]
    assert voi(array, ds, window="harder").tolist() == [9, 8, 7]
    assert voi_table(ds, window=(1, 2)) is None
    group = Dataset()
    group.FrameVOILUTSequence = Sequence([Dataset()])
    group.FrameVOILUTSequence[0].VOILUTSequence = Sequence([table([5, 5, 6])])
    del ds.VOILUTSequence
    ds.SharedFunctionalGroupsSequence = Sequence([group])
    assert voi(array, ds).tolist() == [5, 5, 6]


def test_a_presentation_table():
    ds = instance(VALUES, PhotometricInterpretation="MONOCHROME1")
    ds.PresentationLUTSequence = Sequence([table(range(4095, -1, -1), bits=12)])
    grey = np.arange(256, dtype=np.uint8)
    assert np.abs(presentation(grey, ds).astype(int) - (255 - grey.astype(int))).max() <= 1
    ds.PresentationLUTSequence[0].LUTDescriptor[0] = 9999
    with pytest.raises(DecodeError, match="should have 9999 entries"):
        presentation(grey, ds)


# --- presentation states ----------------------------------------------------------------------


def state_of(ds, *, frames=None, **more):
    image = Dataset()
    image.ReferencedSOPInstanceUID = ds.SOPInstanceUID
    if frames:
        image.ReferencedFrameNumber = frames
    series = Dataset()
    series.ReferencedImageSequence = Sequence([image])
    state = Dataset()
    state.SOPInstanceUID = "1.2.3"
    state.ReferencedSeriesSequence = Sequence([series])
    for keyword, value in more.items():
        setattr(state, keyword, value)
    return state


def softcopy(center, width, *images):
    item = Dataset()
    item.WindowCenter, item.WindowWidth = center, width
    if images:
        item.ReferencedImageSequence = Sequence(images)
    return item


def test_a_state_takes_the_place_of_the_images_grey():
    ds = instance(VALUES, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    other = Dataset()
    other.ReferencedSOPInstanceUID = "9.9"
    state = state_of(
        ds, RescaleSlope=2, RescaleIntercept=-50, PresentationLUTShape="IDENTITY",
        SoftcopyVOILUTSequence=Sequence([softcopy(1, 2, other), softcopy(1000, 500)]),
    )  # fmt: skip
    before = ds.to_json()
    found = picture(ds, state=state)
    np.testing.assert_array_equal(found, window(VALUES.astype(int) * 2 - 50, 1000, 500))
    assert ds.to_json() == before
    np.testing.assert_array_equal(with_state(ds, state).PixelData, ds.PixelData)
    state.PresentationLUTShape = "INVERSE"
    np.testing.assert_array_equal(picture(ds, state=state), 255 - found)


def test_a_state_without_windows_shows_all_there_can_be():
    ds = instance(VALUES, BitsStored=12, HighBit=11)  # its own window is 40, 400
    found = picture(ds, state=state_of(ds, PresentationLUTShape="IDENTITY"))
    np.testing.assert_array_equal(found, np.floor(VALUES / 4095 * 255 + 0.5))
    ds.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    value = Dataset()
    value.RescaleSlope, value.RescaleIntercept = 5, 100
    ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = Sequence([value])
    np.testing.assert_array_equal(picture(ds, state=state_of(ds)), found)
    assert "PixelValueTransformationSequence" in ds.SharedFunctionalGroupsSequence[0]


def test_a_state_of_another_image_is_refused():
    ds = instance(np.stack([VALUES] * 3))
    state = state_of(ds, frames=[1, 3])
    assert picture(ds, frame=3, state=state).shape == VALUES.shape
    with pytest.raises(ValueError, match="does not refer to frame 2"):
        picture(ds, frame=2, state=state)
    ds.SOPInstanceUID = "5.5"
    with pytest.raises(ValueError, match="does not refer"):
        picture(ds, state=state)


def test_shutters():
    grey = np.full((12, 10), 200, np.uint8)
    state = Dataset()
    assert shuttered(grey, state) is grey
    state.ShutterShape = "RECTANGULAR"
    edges = {"LeftVertical": 2, "RightVertical": 9, "UpperHorizontal": 1, "LowerHorizontal": 12}
    for side, value in edges.items():
        setattr(state, f"Shutter{side}Edge", value)
    state.ShutterPresentationValue = 0x4000
    expected = np.full((12, 10), 0x40, np.uint8)
    expected[1:11, 2:8] = 200
    np.testing.assert_array_equal(shuttered(grey, state), expected)
    state = Dataset()
    state.ShutterShape, state.RadiusOfCircularShutter = "CIRCULAR", 3
    state.CenterOfCircularShutter = [5, 4]
    covered = shuttered(grey, state) == 0
    y, x = np.mgrid[1:13, 1:11]
    np.testing.assert_array_equal(~covered, (y - 5) ** 2 + (x - 4) ** 2 <= 9)
    state.ShutterShape, state.VerticesOfThePolygonalShutter = "POLYGONAL", [2, 2, 2, 9, 9, 9, 9, 2]
    kept = np.zeros((12, 10), bool)
    kept[1:9, 1:9] = True
    np.testing.assert_array_equal(shuttered(grey, state) == 200, kept)
    state.VerticesOfThePolygonalShutter = [2, 2]
    with pytest.raises(DecodeError, match="1 corners"):
        shuttered(grey, state)
    del state.RadiusOfCircularShutter
    state.ShutterShape = "CIRCULAR"
    with pytest.raises(DecodeError, match="without RadiusOfCircularShutter"):
        shuttered(grey, state)


def test_turning():
    grey = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    state = Dataset()
    np.testing.assert_array_equal(turned(grey, state), grey)
    state.ImageRotation, state.ImageHorizontalFlip = 90, "N"
    np.testing.assert_array_equal(turned(grey, state), [[4, 1], [5, 2], [6, 3]])
    state.ImageHorizontalFlip = "Y"
    np.testing.assert_array_equal(turned(grey, state), [[1, 4], [2, 5], [3, 6]])


def test_overlays_of_every_real_file_are_those_of_pydicom():
    seen = 0
    for name in real_files.with_pixels():
        with open(real_files.paths()[name], "rb") as file:
            head = file.read()
        if b"\x00\x60\x00\x30" not in head:
            continue
        ds = pydicom.dcmread(real_files.paths()[name])
        for one in overlays(ds):
            expected = ds.overlay_array(one.group)
            expected = expected if expected.ndim == 2 else expected[0]
            if expected.shape == one.plane.shape and list(ds[one.group, 0x50].value) == [1, 1]:
                np.testing.assert_array_equal(one.plane, expected.astype(bool))
                seen += 1
    assert seen >= 1
