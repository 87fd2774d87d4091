"""The demo archive: some 24 made-up people, their images, the dirt of real archives, the truth.

Everything is computed, nothing is anybody's: the anatomy from formulas (`thorax`, `head`,
`echo`), the people from a list (`plan`), the faults on purpose (`dirt`). The same bytes every
time. `store.archive_folder` gives the folder of files, `truth.labels` the nodules that are in
them, `truth.cases` what is odd about some of the series and what a client ought to see.
"""

from __future__ import annotations

from dicomnb.samples.serving import demo
from dicomnb.samples.store import archive_folder
from dicomnb.samples.truth import cases
from dicomnb.samples.truth import labels as demo_labels

__all__ = ["archive_folder", "cases", "demo", "demo_labels"]
