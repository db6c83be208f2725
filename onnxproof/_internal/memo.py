"""What was made is remembered, refusals too, and memory is bounded."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Made = TypeVar("Made")


class Memo(Generic[Made]):
    """Results of calls by key; an exception of the type `refusal` is remembered and raised again.

    The results least recently used are dropped where the sum of their `size_of` passes `most`.
    """

    def __init__(
        self, refusal: type[Exception], most: float = float("inf"), size_of: Callable[[Made], int] = lambda _: 0
    ) -> None:
        self._refusal = refusal
        self._most = most
        self._size_of = size_of
        self._refusals: dict[Hashable, Exception] = {}
        self._made: LRUCache[Hashable, Made] = LRUCache(most, size_of)

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` returned when it was called for `key`, or the refusal that it raised."""
        if key in self._refusals:
            raise self._refusal(*self._refusals[key].args) from self._refusals[key]
        if key in self._made:
            return self._made[key]
        try:
            made = make()
        except self._refusal as error:
            self._refusals[key] = error.with_traceback(None)
            raise
        if self._size_of(made) <= self._most:
            self._made[key] = made
        return made
