"""The project that is published: datasets, and the DICOM stores in them.

The first store is what `serve` was given. Each further one is a folder of its own below a
managed root, which goes when the server closes.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicomnb.options import Options
from dicomnb.server.answers import Refused
from dicomnb.server.exchange import Service
from dicomnb.server.google.lag import Lag
from dicomnb.server.google.names import DATASET, LOCATION, PROJECT, STORE, store_name
from dicomnb.server.google.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dicomnb.wire.google_habits import Habits

__all__ = ["Catalogue", "Dataset", "Store"]


@dataclass
class Store:
    """A DICOM store.

    Attributes:
        name: ``projects/…/dicomStores/S``.
        service: what it publishes.
        lag: what was deleted from it of late.
        settings: labels and the other fields of its resource.
        discard: frees it, its folder aside; None for the store that was given.
    """

    name: str
    service: Service
    lag: Lag
    settings: dict[str, Any] = field(default_factory=dict)
    discard: Callable[[], None] | None = None

    def shown(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"name": self.name, **self.settings}


@dataclass
class Dataset:
    """A dataset: stores, and the operations on them."""

    name: str
    operations: Operations
    settings: dict[str, Any] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"name": self.name, **self.settings}


class Catalogue:
    """Everything that is published.

    Args:
        first: the store that `serve` was given, as a service.
        root: an empty folder for further stores.
        habits: how the API behaves.
        buckets: bucket of ``gs://`` → folder that stands for it; ``bq://project.dataset`` →
            folder for tables.
    """

    def __init__(
        self, first: Service, *, root: Path, habits: Habits, buckets: dict[str, Path]
    ) -> None:
        self.habits = habits
        self.buckets = buckets
        self.writable = first.writable
        self._first = first
        self._root = root
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._datasets: dict[str, Dataset] = {}
        dataset = self.add_dataset(DATASET, {"timeZone": "UTC"})
        dataset.stores[STORE] = Store(store_name(), first, Lag(habits.row_lag))

    @property
    def parent(self) -> str:
        """Name of the project's one location."""
        return f"projects/{PROJECT}/locations/{LOCATION}"

    @property
    def address(self) -> str:
        """Where the first store lies."""
        return self._first.source.address

    def check_parent(self, name: str) -> None:
        """Refuse any other location.

        Raises:
            Refused: 403, as the API answers for what one has no access to or is not there.
        """
        if name != self.parent:
            raise self._missing(name)

    def datasets(self) -> list[Dataset]:
        """All of them, by name."""
        with self._lock:
            return [self._datasets[key] for key in sorted(self._datasets)]

    def dataset(self, parent: str, key: str) -> Dataset:
        """One of them; `Refused` with 403 where there is none."""
        self.check_parent(parent)
        found = self._datasets.get(key)
        if found is None:
            raise self._missing(f"{parent}/datasets/{key}")
        return found

    def store(self, parent: str, dataset: str, key: str) -> Store:
        """A store; `Refused` with 403 where there is none."""
        found = self.dataset(parent, dataset).stores.get(key)
        if found is None:
            raise self._missing(f"{parent}/datasets/{dataset}/dicomStores/{key}")
        return found

    def add_dataset(self, key: str, settings: dict[str, Any]) -> Dataset:
        """A new one; `Refused` with 409 where there is one of that name."""
        with self._lock:
            name = f"{self.parent}/datasets/{key}"
            if key in self._datasets:
                raise Refused(409, f"{name} exists already.")
            operations = Operations(name, self.address)
            self._datasets[key] = Dataset(name, operations, settings)
            return self._datasets[key]

    def remove_dataset(self, parent: str, key: str) -> None:
        """Remove one with all its stores."""
        with self._lock:
            dataset = self.dataset(parent, key)
            del self._datasets[key]
        dataset.operations.close()
        for store in dataset.stores.values():
            _discard(store)

    def add_store(self, dataset: Dataset, key: str, settings: dict[str, Any]) -> Store:
        """A new, empty store in a folder of its own; `Refused` with 409 where there is one."""
        from dicomnb.local.folder import FolderSource

        with self._lock:
            name = f"{dataset.name}/dicomStores/{key}"
            if key in dataset.stores:
                raise Refused(409, f"{name} exists already.")
            # Named by a number: an id of the API may be no good name for a folder.
            folder = self._root / f"store-{next(self._numbers)}"
            folder.mkdir()
            source = FolderSource(folder, options=Options(writable=True))
            first = self._first
            service = Service(
                source,
                writable=True,
                limits=first.limits,
                cancel=first.cancel,
                drawing=first.drawing,
            )
            lag = Lag(self.habits.row_lag)
            dataset.stores[key] = Store(name, service, lag, settings, source.discard)
            return dataset.stores[key]

    def remove_store(self, parent: str, dataset: str, key: str) -> None:
        """Remove a store with all that is in it.

        What `serve` was given is only published no more: its files stay as they are.
        """
        with self._lock:
            store = self.store(parent, dataset, key)
            del self.dataset(parent, dataset).stores[key]
        _discard(store)

    def close(self) -> None:
        """End all operations, and free the stores."""
        for dataset in self.datasets():
            dataset.operations.close()
            for store in dataset.stores.values():
                if store.discard is not None:
                    store.discard()

    def _missing(self, name: str) -> Refused:
        if self.habits.missing_store == 404:
            return Refused(404, f"{name} does not exist.")
        return Refused(403, f"Permission denied on resource {name} (or it may not exist).")


def _discard(store: Store) -> None:
    """Free a store and remove its folder, if it is one of the managed ones."""
    import shutil

    if store.discard is not None:
        store.discard()
        shutil.rmtree(store.service.source.address)
