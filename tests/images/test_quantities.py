"""Real-world values and SUV: by hand, by the demo's ground truth, and when they cannot be."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicomnb as dn
from dicomnb.errors import DecodeError, UnitsError
from dicomnb.images import real_world, real_world_mappings, suv, uptake
from dicomnb.images.standard_uptake import suv_of_stored
from tests.images.image_series import instance, part10

HALF_LIFE = 6586.2
STORED = np.array([[0, 1, 2], [100, 200, 32767]], np.int16)


def coded(**facts):
    item = Dataset()
    for keyword, value in facts.items():
        setattr(item, keyword, value)
    return item


def tracer(**changes):
    facts = {
        "RadionuclideTotalDose": 400e6,
        "RadionuclideHalfLife": HALF_LIFE,
        "RadiopharmaceuticalStartTime": "100000",
        **changes,
    }
    return Sequence([coded(**{k: v for k, v in facts.items() if v is not None})])


def pet(stored=STORED, *, of_tracer=None, **changes):
    facts = {
        "Modality": "PT",
        "Units": "BQML",
        "CorrectedImage": ["NORM", "ATTN", "DECY", "SCAT"],
        "DecayCorrection": "START",
        "SeriesDate": "20240301",
        "SeriesTime": "110000",
        "AcquisitionDate": "20240301",
        "AcquisitionTime": "110000",
        "PatientWeight": 70,
        "PatientSize": 1.75,
        "PatientSex": "F",
        **changes,
    }
    ds = instance(stored, slope=2, intercept=0, **facts)
    ds.RadiopharmaceuticalInformationSequence = tracer(**(of_tracer or {}))
    return ds


def after(seconds, dose=400e6):
    return dose * math.exp(-math.log(2) * seconds / HALF_LIFE)


def test_suv_by_body_weight():
    ds = pet()
    before = ds.to_json()
    values = dn.images.modality(STORED, ds)
    found = suv(values, ds)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, STORED * 2.0 * 70_000 / after(3600), rtol=1e-6)
    one = uptake(ds)
    assert (one.units, one.by) == ("g/ml", "bw")
    assert one.dose == pytest.approx(after(3600))
    assert "10:00:00" in " ".join(one.steps)
    assert ds.to_json() == before


def test_suv_by_lean_mass_and_surface():
    lean = 1.07 * 70 - 148 * (70 / 175) ** 2
    assert uptake(pet(), by="lbm").factor == pytest.approx(1000 * lean / after(3600))
    lean = 1.10 * 70 - 120 * (70 / 175) ** 2
    assert uptake(pet(PatientSex="M"), by="lbm").factor == pytest.approx(1000 * lean / after(3600))
    surface = 0.007184 * 70**0.425 * 175**0.725 * 10_000  # cm², by Du Bois
    found = uptake(pet(), by="bsa")
    assert found.factor == pytest.approx(surface / after(3600), rel=1e-6)
    assert found.units == "cm2/ml"
    with pytest.raises(ValueError, match="'bw', 'lbm' or 'bsa'"):
        uptake(pet(), by="ibw")


def test_an_injection_before_midnight_is_of_the_day_before():
    ds = pet(SeriesTime="003000", AcquisitionTime="003000",
             of_tracer={"RadiopharmaceuticalStartTime": "233000.50"})  # fmt: skip
    assert uptake(ds).dose == pytest.approx(after(3599.5))
    ds = pet(of_tracer={"RadiopharmaceuticalStartTime": None,
                        "RadiopharmaceuticalStartDateTime": "20240229230000.000000+0100"},
             SeriesTime="003000", AcquisitionTime="003000")  # fmt: skip
    assert uptake(ds).dose == pytest.approx(after(5400))


def test_values_corrected_to_the_injection_need_no_times():
    ds = pet(DecayCorrection="ADMIN", SeriesDate=None, AcquisitionDate=None)
    assert uptake(ds).factor == pytest.approx(70_000 / 400e6)


def test_a_series_made_afterwards_is_not_dated_by_its_time():
    """Its frame's own offset tells when the scan began."""
    # A bed position that began 5 minutes into the scan and took 2: the average count rate.
    decay = math.log(2) / HALF_LIFE
    average = math.log(decay * 120 / (1 - math.exp(-decay * 120))) / decay
    ds = pet(
        SeriesTime="150000",
        AcquisitionTime="110500",
        FrameReferenceTime=(300 + average) * 1000,
        ActualFrameDuration=120_000,
    )
    assert uptake(ds).dose == pytest.approx(after(3600), rel=1e-5)
    assert 59 < average < 60.5
    vendor = pet(SeriesTime="150000", AcquisitionTime="110500")
    block = vendor.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20240301110000.00")
    assert uptake(vendor).dose == pytest.approx(after(3600))
    with pytest.raises(UnitsError, match="made afterwards"):
        uptake(pet(SeriesTime="150000"))


def test_counts_by_the_vendors_factors():
    ds = pet(Units="CNTS")
    block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.000587")
    assert uptake(ds).factor == pytest.approx(0.000587)
    lean = 1.07 * 70 - 148 * (70 / 175) ** 2
    assert uptake(ds, by="lbm").factor == pytest.approx(0.000587 * lean / 70)
    block[0x00].value = "0"
    block.add_new(0x09, "DS", "1.5")
    assert uptake(ds).factor == pytest.approx(1.5 * 70_000 / after(3600))


def test_values_that_are_suv_already():
    ds = pet(Units="GML", PatientWeight=None)
    np.testing.assert_array_equal(suv(np.array([1.5]), ds), [1.5])
    with pytest.raises(UnitsError, match="already, but by BW"):
        uptake(ds, by="lbm")
    assert uptake(pet(Units="GML", SUVType="LBM"), by="lbm").factor == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Modality": "CT"}, "it is CT, not PT"),
        ({"PatientWeight": None}, "PatientWeight is missing"),
        ({"PatientWeight": 0}, "PatientWeight is missing"),
        ({"Units": "PROPCNT"}, "Units are PROPCNT"),
        ({"Units": None}, "Units are missing"),
        ({"Units": "CNTS"}, "vendor's factors"),
        ({"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({"CorrectedImage": ["ATTN"]}, "not corrected for decay"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection is NONE"),
        ({"DecayCorrection": None}, "DecayCorrection is missing"),
        ({"SeriesDate": None}, "Series date and time are missing"),
        ({"of_tracer": {"RadionuclideTotalDose": None}}, "RadionuclideTotalDose is missing"),
        ({"of_tracer": {"RadionuclideTotalDose": 400}}, "cannot be in Bq"),
        ({"of_tracer": {"RadionuclideHalfLife": None}}, "RadionuclideHalfLife is missing"),
        ({"of_tracer": {"RadiopharmaceuticalStartTime": None}}, "StartTime are missing"),
        (
            {"of_tracer": {"RadiopharmaceuticalStartDateTime": "20240302100000"}},
            "lie -82,800 s apart",
        ),
    ],
)
def test_suv_that_cannot_be_known_says_why(changes, told):
    with pytest.raises(UnitsError, match=told):
        uptake(pet(**changes))


def test_every_reason_is_told_at_once():
    with pytest.raises(UnitsError) as caught:
        uptake(pet(PatientWeight=None, PatientSex="O", Units="CM2"), by="lbm")
    for word in ("PatientWeight", "PatientSex is O", "CM2"):
        assert word in str(caught.value)
    with pytest.raises(UnitsError, match="PatientSize is 175 m"):
        uptake(pet(PatientSize=175), by="bsa")


def mapping(units, **facts):
    return coded(
        LUTLabel=facts.pop("label", ""),
        MeasurementUnitsCodeSequence=Sequence([coded(CodeValue=units)]),
        **facts,
    )


def line(units, *, slope, intercept=0.0, first=0, last=32767, label=""):
    item = mapping(units, label=label, RealWorldValueSlope=slope,
                   RealWorldValueIntercept=intercept)  # fmt: skip
    item.add_new("RealWorldValueFirstValueMapped", "SS", first)
    item.add_new("RealWorldValueLastValueMapped", "SS", last)
    return item


def test_real_world_values():
    ds = instance(STORED, slope=3, intercept=-7)
    ds.RealWorldValueMappingSequence = Sequence(
        [
            line("ms", slope=0.5, intercept=10, first=1, last=200),
            line("%", slope=2, label="FRACTION"),
        ]
    )
    values, units = real_world(STORED, ds)
    assert units == "ms"
    np.testing.assert_array_equal(values, [[np.nan, 10.5, 11], [60, 110, np.nan]])
    values, units = real_world(STORED, ds, name="FRACTION")
    np.testing.assert_array_equal(values, STORED * 2.0)
    assert units == "%"
    assert [one.units for one in real_world_mappings(ds)] == ["ms", "%"]
    with pytest.raises(UnitsError, match=r"'T2'.*FRACTION in %"):
        real_world(STORED, ds, name="T2")
    with pytest.raises(UnitsError, match="no real-world value mapping"):
        real_world(STORED, instance(STORED))


def test_a_real_world_table():
    item = mapping("mm/s", RealWorldValueLUTData=[0.5, 4.0, 9.0])
    item.add_new("RealWorldValueFirstValueMapped", "US", 65535)  # −1, as an unsigned number
    item.add_new("RealWorldValueLastValueMapped", "SS", 1)
    ds = instance(STORED, RealWorldValueMappingSequence=Sequence([item]))
    values, _ = real_world(np.array([-2, -1, 0, 1, 2], np.int16), ds)
    np.testing.assert_array_equal(values, [np.nan, 0.5, 4, 9, np.nan])
    item.RealWorldValueLUTData = [1.0]
    with pytest.raises(DecodeError, match="1 entries"):
        real_world(STORED, ds)
    del item.RealWorldValueLUTData
    with pytest.raises(DecodeError, match="neither slope nor table"):
        real_world(STORED, ds)


def test_suv_by_a_real_world_mapping():
    ds = pet(Units=None)
    ds.RealWorldValueMappingSequence = Sequence(
        [line("Bq/ml", slope=5.0), line("{SUVlbm}g/ml", slope=0.25)]
    )
    np.testing.assert_array_equal(suv_of_stored(STORED, ds, by="lbm"), STORED * 0.25)
    expected = STORED * 5.0 * 70_000 / after(3600)  # the units of the mapping, not of the rescale
    np.testing.assert_allclose(suv_of_stored(STORED, ds), expected, rtol=1e-6)


def test_an_enhanced_object_says_what_it_is_corrected_to():
    ds = pet(Units=None, CorrectedImage=None, DecayCorrection=None, DecayCorrected="YES",
             AttenuationCorrected="YES", DecayCorrectionDateTime="20240301111500")  # fmt: skip
    ds.RealWorldValueMappingSequence = Sequence([])
    group = coded(RealWorldValueMappingSequence=Sequence([line("Bq/ml", slope=5.0)]))
    ds.SharedFunctionalGroupsSequence = Sequence([group])
    expected = STORED * 5.0 * 70_000 / after(4500)
    np.testing.assert_allclose(suv_of_stored(STORED, ds), expected, rtol=1e-6)


def test_suv_of_an_archive(demo_folder):
    """The demo's PET is synthesised from SUV: air has none, and a nodule more than its lung."""
    archive = dn.connect(demo_folder)
    table = archive.instances(archive.series(Modality="PT").iloc[0])
    header = archive.dataset(table.iloc[len(table) // 2], pixels=True)
    found = archive.frames(header, output="suv")
    stored = archive.frames(header)
    item = header.RadiopharmaceuticalInformationSequence[0]
    seconds = _seconds(header.SeriesTime) - _seconds(item.RadiopharmaceuticalStartTime)
    left = float(item.RadionuclideTotalDose) * 2 ** (-seconds / float(item.RadionuclideHalfLife))
    expected = stored * float(header.RescaleSlope) * float(header.PatientWeight) * 1000 / left
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert 1 < found.max() < 40
    ct = archive.instances(archive.series(Modality="CT").iloc[0]).iloc[0]
    with pytest.raises(UnitsError, match="not PT"):
        archive.frames(ct, output="suv_lbm")
    with pytest.raises(UnitsError, match="no real-world"):
        archive.frames(ct, output="real_world")
    shown = archive.frames(ct, output="display", window="lung")
    dataset = archive.dataset(ct)
    np.testing.assert_array_equal(shown[0], dn.images.picture(dataset, window="lung"))
    with pytest.raises(ValueError, match="window= is for output='display'"):
        archive.frames(ct, window="lung")


def test_a_volume_in_suv(demo_folder):
    archive = dn.connect(demo_folder)
    series = archive.series(Modality="PT").iloc[0]
    plain, found = archive.volume(series), archive.volume(series, values="suv_bsa")
    header = archive.dataset(archive.instances(series).iloc[0], pixels=False)
    expected = plain.array * uptake(header, by="bsa").factor
    np.testing.assert_allclose(found.array, expected, rtol=1e-5)
    assert (found.units, found.dtype) == ("cm2/ml", np.float32)
    np.testing.assert_array_equal(found.affine, plain.affine)
    with pytest.raises(ValueError, match=r"'hounsfield'.*modality, suv"):
        archive.volume(series, values="hounsfield")
    with pytest.raises(UnitsError, match="not PT"):
        archive.volume(archive.series(Modality="CT").iloc[1], values="suv", strict=False)


def test_a_vendors_private_values_are_read_and_the_rest_left_alone(tmp_path):
    """What is private and large stays on the server; what is damaged costs nothing else."""
    ds = pet(np.stack([STORED]), SeriesTime="150000", AcquisitionTime="110500")
    block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20240301110000.00")
    (tmp_path / "a.dcm").write_bytes(part10(ds))
    found = dn.connect(tmp_path).frames(ds, output="suv")
    np.testing.assert_allclose(found[0], STORED * 2.0 * 70_000 / after(3600), rtol=1e-6)

    class Larger:
        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            return getattr(self.source, name)

        def metadata(self, ref, *, cancel=None):
            for page in self.source.metadata(ref, cancel=cancel):
                (row,) = json.loads(page.rows)
                row["00091099"] = {"vr": "OB", "BulkDataURI": "https://elsewhere/large"}
                row["00091098"] = {"vr": "DS", "Value": ["much"]}
                row["00091097"] = {"Value": [1]}
                yield replace(page, rows=json.dumps([row]).encode())

        def bulk(self, uri, *, cancel=None):
            raise AssertionError(uri)

    archive = dn.Archive(Larger(dn.connect(tmp_path).source), options=dn.Options())
    np.testing.assert_array_equal(archive.frames(ds, output="suv"), found)


def _seconds(time):
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + float(time[4:])


def test_the_public_steps():
    for name in dn.images.__all__:
        assert getattr(dn.images, name) is not None
        assert name in dir(dn.images)
    assert dn.images.__all__ == sorted(
        dn.images.__all__, key=lambda n: (n.upper() != n, n.islower(), n)
    )
    with pytest.raises(AttributeError, match="nonsense"):
        dn.images.nonsense  # noqa: B018
    ds = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
    stored = dn.images.stored(ds)[0]
    grey = dn.images.voi(dn.images.modality(stored, ds), ds)
    np.testing.assert_array_equal(dn.images.presentation(grey, ds), dn.images.picture(ds))
