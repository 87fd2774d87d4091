"""The made-up people of the demo archive."""

from __future__ import annotations

from dicomnb.samples.cast import Person
from dicomnb.samples.thorax import Body

_LATIN_1 = ("ISO_IR 100",)
_ELISE = Body(29, True, (0.95, 0.96, 0.97), 15, 60)

# fmt: off
SALLY = Person("DNB-0001", "Zhang^Sally", "F", "19641105", 61, 1.63,
               body=Body(11, True, (0.94, 0.95, 0.96), 16, 58))
JUERGEN = Person("DNB-0002", "Müller^Jürgen", "M", "19560214", 93, 1.81, _LATIN_1,
                 body=Body(12, False, (1.05, 1.06, 1.02), 20, 67))
TAROU = Person("DNB-0003", "Yamada^Tarou=山田^太郎=やまだ^たろう", "M", "19580723", 64, 1.66,
               ("", "ISO 2022 IR 87"), Body(13, False, (0.95, 0.93, 0.94), 9, 64))
XIAODONG = Person("DNB-0004", "Wang^XiaoDong=王^小东", "M", "19711012", 75, 1.74, ("GB18030",),
                  Body(14, False, (0.99, 0.98, 1.0), 12, 51))
ANNELIESE = Person("DNB-0010", "Weiß^Anneliese", "F", "19510330", 70, 1.65, _LATIN_1,
                   body=Body(20, True, (0.96, 1.0, 0.95), 22, 72))
JOAO = Person("DNB-0011", "Silva^João", "M", "19830909", 80, 1.78,
              body=Body(21, False, (1.0, 1.0, 1.0), 13, 39))
PIOTR = Person("DNB-0012", "Kowalski^Piotr", "M", "19920618", 78, 1.83,
               body=Body(22, False, (1.0, 0.97, 1.03), 9, 31))
IVAN = Person("DNB-0013", "Petrov^Ivan", "M", "19471201", 88, 1.76,
              body=Body(23, False, (1.03, 1.04, 1.0), 17, 74, contrast=190.0))
ASTRID = Person("DNB-0014", "Hansen^Astrid", "F", "19760504", 66, 1.72,
                body=Body(24, True, (0.96, 0.94, 1.0), 14, 46))
WEI = Person("DNB-0005", "Zhang^Wei=张^伟", "M", "19790121", 77, 1.77)
KAETHE = Person("DNB-0006", "Schröder^Käthe", "F", "19480816", 59, 1.60)
HANAKO = Person("DNB-0007", "Suzuki^Hanako=鈴木^花子=すずき^はなこ", "F", "19670303", 52, 1.57)
JEROME = Person("DNB-0008", "Buc^Jérôme", "M", "19610917", 84, 1.80, _LATIN_1)
AMARA = Person("DNB-0009", "Okafor^Amara", "F", "19950227", 63, 1.69)
JANA = Person("DNB-0015", "Novak^Jana", "F", "19690610", 68, 1.67,
              body=Body(25, True, (0.97, 0.97, 0.98), 18, 53))
MARCO = Person("DNB-0016", "Rossi^Marco", "M", "19601224", 86, 1.75,
               body=Body(26, False, (1.02, 1.03, 0.98), 18, 62))
CAMILLE = Person("DNB-0017", "Dubois^Camille", "O", "19880401", 60, 1.70,
                 body=Body(27, False, (0.96, 0.93, 1.0), 8, 35))
FRANZ = Person("DNB-0018", "Keller^Franz", "M", "19430715", 74, 1.71)
NILS = Person("DNB-0019", "Larsen^Nils", "M", "20050211", 71, 1.86)
INES = Person("DNB-0020", "Costa^Inês", "F", "19740528", 57, 1.62)
JANE = Person("", "Doe^Jane", "F", "19801010", 64, 1.68, key="no-identifier",
              body=Body(28, True, (0.95, 0.95, 0.96), 13, 42))
ELISE = Person("DNB-0022", "Dupont^Élise", "F", "19620719", 62, 1.64, _LATIN_1, _ELISE)
ELISE_AGAIN = Person("X7-4410", "DUPONT^ELISE", "F", "19620719", 62, 1.64, _LATIN_1, _ELISE)
JOHN = Person("DNB-0024", "Smith^John", "M", "19550505", 82, 1.79,
              body=Body(30, False, (1.02, 1.0, 1.0), 14, 66))
LUCIA = Person("DNB-0025", "García^Lucía", "F", "19900130", 58, 1.61, _LATIN_1,
               body=Body(31, True, (0.92, 0.92, 0.94), 11, 33))
# fmt: on
