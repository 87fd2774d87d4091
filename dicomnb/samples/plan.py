"""What the demo archive holds: the people, their studies, their series."""

from __future__ import annotations

from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicomnb.samples import people
from dicomnb.samples.cast import Study
from dicomnb.samples.compress import Compressed
from dicomnb.samples.ct import ChestCT
from dicomnb.samples.dirt import (
    with_duplicate,
    with_gap,
    with_high_bits,
    with_localizer,
    with_markup,
    with_nan_window,
)
from dicomnb.samples.echo import Echo
from dicomnb.samples.enhanced import EnhancedChestCT
from dicomnb.samples.mr import HeadCT, HeadMR, PerfusionMap, PerfusionMR
from dicomnb.samples.pet import ChestPET
from dicomnb.samples.projection import ChestRadiograph
from dicomnb.samples.radiotherapy import Dose, StructureSet
from dicomnb.samples.report import MeasurementReport
from dicomnb.samples.segmentation import ChestSegmentation
from dicomnb.samples.stacks import AXIAL, CORONAL, Stack, tilted

__all__ = ["STUDIES"]

_THICK = (48, 192, 192)  # slices of 5 mm

# The nodules of those who came twice
_SALLY = "bmbbmb"
_JUERGEN = "bmbbmbm"

# The people whose chests were examined, without faults
_CHESTS = (
    Study(people.SALLY, 1, "20230302", "091500", "Chest X-ray", (ChestRadiograph(),)),
    Study(people.SALLY, 2, "20230314", "103000", "CT chest", (
        ChestCT(1, _SALLY, "A", (96, 256, 256), 1.4, 2.5, 104.0, description="Thorax 2.5"),
        ChestSegmentation(2, 1), MeasurementReport(3, 1, 2),
    )),
    Study(people.SALLY, 3, "20230920", "111000", "CT chest follow-up", (
        ChestCT(1, _SALLY, "A", growth=1.22),
    )),
    Study(people.JUERGEN, 1, "20230508", "084500", "CT Thorax", (ChestCT(1, _JUERGEN, "B"),),
          "Süß^Günther^^Dr."),
    Study(people.JUERGEN, 2, "20240116", "090500", "CT Thorax Verlauf", (
        ChestCT(1, _JUERGEN, "B", growth=1.3),
    ), "Süß^Günther^^Dr."),
    Study(people.TAROU, 1, "20230621", "140000", "FDG PET/CT", (
        ChestCT(1, "mbmb", "C", description="CT low dose", noise=26.0), ChestPET(2, 1),
    )),
    Study(people.XIAODONG, 1, "20221103", "153000", "CT chest", (ChestCT(1, "bbbmbm", "C"),)),
    Study(people.ANNELIESE, 1, "20230809", "080000", "Radiotherapy planning", (
        ChestCT(1, "mbb", "D", _THICK, step=5.0, description="Planning CT"),
        StructureSet(2, 1), Dose(3, 1, 2),
    )),
    Study(people.JOAO, 1, "20230117", "120000", "CT chest, enhanced object", (
        EnhancedChestCT(1, "bmbm", "A", (40, 192, 192), 2.0, 6.0),
    )),
    Study(people.PIOTR, 1, "20231128", "101000", "CT chest, four syntaxes", (
        ChestCT(1, "bmb", "D", (30, 128, 128), 2.8, 8.0, description="uncompressed"),
        Compressed(2, 1, RLELossless, "RLE"),
        Compressed(3, 1, JPEGLSLossless, "JPEG-LS"),
        Compressed(4, 1, JPEG2000Lossless, "JPEG 2000"),
    )),
    Study(people.IVAN, 1, "20211207", "134500", "CT chest with contrast", (
        ChestCT(1, "bbmmbb", "B", description="Thorax venous 4.5"),
    )),
    Study(people.ASTRID, 1, "20220815", "160000", "Chest X-ray", (ChestRadiograph(),)),
    Study(people.ASTRID, 2, "20230412", "094000", "CT chest", (ChestCT(1, "bbbmb", "A"),)),
)  # fmt: skip

# The people whose heads and hearts were examined, without faults
_HEADS_AND_HEARTS = (
    Study(people.WEI, 1, "20230211", "173000", "Head MR", (
        HeadMR(1, "T1", 41), HeadMR(2, "T2", 41),
    )),
    Study(people.KAETHE, 1, "20231002", "082000", "Head MR", (
        HeadMR(1, "T1", 42, spots=9), HeadMR(2, "T2", 42, spots=9, implicit=True),
    )),
    Study(people.HANAKO, 1, "20230718", "114500", "Head MR perfusion", (
        HeadMR(1, "T1", 43), PerfusionMR(2, 43), PerfusionMap(3, 43),
    )),
    Study(people.JEROME, 1, "20230425", "150000", "Echocardiography", (
        Echo(1, 51), Echo(2, 52, frames=10, offsets=False, description="A4C no offsets"),
    )),
    Study(people.AMARA, 1, "20231107", "131500", "Echocardiography", (
        Echo(1, 53, frames=12, size=(210, 280), compressed=False),
    )),
)  # fmt: skip

_PLAIN = Stack(24, 160, 1.45, 5.5)
_TILTED = Stack(24, 160, 1.4, 6.0, tilted(-18.0), (0.0, 0.0, 10.0), along=(0.0, 0.0, 1.0))
_OBLIQUE = Stack(22, 160, 1.6, 6.0, tilted(24.0, "xy"), (0.0, -8.0, 14.0))
_TWO_PLANES = (
    Stack(14, 160, 1.45, 9.0, AXIAL, (0.0, 0.0, 12.0)),
    Stack(12, 160, 1.45, 9.0, CORONAL, (0.0, 0.0, 12.0)),
)

# The people whose images have something wrong with them, on purpose
_DIRT = (
    Study(people.JANA, 1, "20230330", "101500", "CT chest", (
        ChestCT(1, "mbbmb", "A", _THICK, step=5.0, faults=(with_localizer,)),
    )),
    Study(people.MARCO, 1, "20230526", "143000", "CT chest", (
        ChestCT(1, "bmbbm", "B", _THICK, step=5.0, faults=(with_gap,)),
    )),
    Study(people.CAMILLE, 1, "20230711", "091000", "CT chest", (
        ChestCT(1, "mbmbb", "C", _THICK, step=5.0, faults=(with_duplicate,)),
    )),
    Study(people.FRANZ, 1, "20230129", "223000", "CT head", (HeadCT(1, 44, _TILTED, -18.0),)),
    Study(people.NILS, 1, "20230905", "164500", "Head MR", (
        HeadMR(1, "T1", 45, (_OBLIQUE,), description="T1 oblique"),
        HeadMR(2, "T2", 45, (_PLAIN,)),
    )),
    Study(people.INES, 1, "20231214", "124000", "Head MR", (
        HeadMR(1, "T2", 46, _TWO_PLANES, description="T2 two planes"),
    )),
    Study(people.JANE, 1, "20230519", "030500", "Chest X-ray, emergency", (ChestRadiograph(),)),
    Study(people.ELISE, 1, "20221018", "100000", "CT chest", (
        ChestCT(1, "bmbbm", "D", _THICK, step=5.0),
    )),
    Study(people.ELISE_AGAIN, 1, "20230427", "113000", "CT chest", (
        ChestCT(1, "bmbbm", "C", _THICK, step=5.0, growth=1.2),
    )),
    Study(people.JOHN, 1, "00010101", "000000", "Chest X-ray", (ChestRadiograph(),),
          first_year=2021),
    Study(people.JOHN, 2, "2023.02.30", "101010", "Chest X-ray", (ChestRadiograph(),),
          first_year=2023),
    Study(people.LUCIA, 1, "20231019", "145500", "Chest X-ray", (
        ChestRadiograph(1, faults=(with_nan_window,)),
        ChestRadiograph(2, faults=(with_high_bits,)),
        ChestRadiograph(3, faults=(with_markup,)),
    )),
)  # fmt: skip


STUDIES: tuple[Study, ...] = _CHESTS + _HEADS_AND_HEARTS + _DIRT
"""Every study of the archive, those of one person one after another."""
