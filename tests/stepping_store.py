"""A store whose changes a test follows one by one, and one that changes nothing any more from a given moment on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pipeline.ports import ObjectStore
from pipeline.services import Services
from tests.recording_disk import PowerLoss


class SteppingStore:
    """Another store's objects. Each change of one is a step: `before_step` is called ahead of it, with the number of
    steps that were done. Groups are gone through in the order given, or `backwards`."""

    def __init__(
        self, store: ObjectStore, before_step: Callable[[int], None], *, backwards: bool = False
    ) -> None:
        self._store = store
        self._before_step = before_step
        self._order = reversed if backwards else iter
        self._done = 0
        self.traits = store.traits
        self.settle, self.read, self.size, self.list = store.settle, store.read, store.size, store.list

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        for key in self._steps(objects):
            self._store.put_many({key: objects[key]})

    def swap_many(self, changes: Mapping[str, tuple[bytes | None, bytes]]) -> None:
        for key in self._steps(changes):
            self._store.swap_many({key: changes[key]})

    def copy_many(self, copies: Mapping[str, str]) -> None:
        for source in self._steps(copies):
            self._store.copy_many({source: copies[source]})

    def move_many(self, moves: Mapping[str, str]) -> None:
        for source in self._steps(moves):
            self._store.move_many({source: moves[source]})

    def delete(self, prefix: str) -> None:
        for key in self._steps(dict.fromkeys([*(one.key for one in self._store.list(prefix)), prefix])):
            self._store.delete(key)

    def _steps(self, keys: Mapping[str, object]) -> Iterator[str]:
        for key in self._order(list(keys)):
            self._before_step(self._done)
            yield key
            self._done += 1


def with_store(
    services: Services, before_step: Callable[[int], None], *, backwards: bool = False
) -> Services:
    """The services with their store stepped through."""
    stepping = SteppingStore(services.store, before_step, backwards=backwards)
    return replace(services, store=stepping)  # type: ignore[arg-type]  # what preserving needs of a store


def without_power(services: Services, survives: int, *, backwards: bool = False) -> Services:
    """The services with a store that makes so many changes and no more."""

    def before_step(done: int) -> None:
        if done >= survives:
            raise PowerLoss

    return with_store(services, before_step, backwards=backwards)
