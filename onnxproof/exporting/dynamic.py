"""The free dimensions of a file, and the sizes that are promised along them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxproof.graph.dims import MULTIPLE
from onnxproof.graph.facts import Value


@dataclass(frozen=True)
class Dim:
    """A free dimension by its name, and a promise of its sizes: the multiples of `multiple_of` from `min` to `max`.

    The model and its file must take every promised size, and are tried on no other; without `max` there is no
    largest. A plain name instead of a `Dim` promises less: the sizes that are drawn and that the model accepts. Raises
    `ValueError` for a promise of fewer than two sizes.
    """

    name: str
    min: int = 1
    max: int | None = None
    multiple_of: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise ValueError(f"Dim takes a name first, not {self.name!r:.80}")
        given = {"min": self.min, "multiple_of": self.multiple_of} | ({} if self.max is None else {"max": self.max})
        for what, size in given.items():
            if type(size) is not int or size < 1:
                raise ValueError(f"Dim {self.name!r}: {what} is {size!r:.80}; give a whole number from 1 on")
        if self.max is not None and self.smallest + self.multiple_of > self.max:
            raise ValueError(f"Dim {self.name!r} promises fewer than two sizes; leave a fixed dimension out of dynamic")

    def __str__(self) -> str:
        return self.name

    @property
    def smallest(self) -> int:
        """The smallest promised size."""
        return -(-self.min // self.multiple_of) * self.multiple_of

    @property
    def largest(self) -> int | None:
        """The largest promised size; None if there is none."""
        return None if self.max is None else self.max // self.multiple_of * self.multiple_of

    @property
    def is_stated(self) -> bool:
        """Whether the sizes are promised, and not just free."""
        return self != Dim(self.name)

    @property
    def promise(self) -> str:
        """The promised sizes in words."""
        sizes = "any size" if self.multiple_of == 1 else f"multiples of {self.multiple_of}"
        return f"{sizes} from {self.smallest} {'on' if self.largest is None else f'to {self.largest}'}"

    def allows(self, size: int) -> bool:
        """Whether a size is promised."""
        return size >= self.min and size % self.multiple_of == 0 and (self.max is None or size <= self.max)

    def nearest(self, size: int) -> int:
        """The largest promised size up to `size`, or the smallest if that is larger."""
        least, most = self.smallest, self.largest
        return max(least, min(size if most is None else most, size) // self.multiple_of * self.multiple_of)


Dynamic = Mapping[str, Mapping[int, str | Dim]]
"""The dynamic dimensions, by input (or output) name and axis: `{"input": {2: "height", 3: Dim("width", min=16)}}`."""


def as_dim(value: Any) -> str | Dim:
    """A name or a `Dim` as it is, and a `torch.export.Dim` as a `Dim`. Raises `ValueError` for anything else."""
    if isinstance(value, str | Dim):
        return value
    name, factor = getattr(value, "__name__", None), 1
    if (root := getattr(value, "root", None)) is not None:  # such as 8*height
        name, offset = root.__name__, value.fn(0)
        factor = value.fn(1) - offset
        if offset or factor < 1:
            raise ValueError(f"{value.__name__} is not a multiple of {name}; give a name or an onnxproof.Dim")
    if not isinstance(name, str) or not hasattr(value, "min"):
        raise ValueError(f"{value!r:.80} names no dimension; give a name, an onnxproof.Dim or a torch.export.Dim")
    most = None if value.max == float("inf") or value.max >= 2**62 else int(value.max)  # torch's own for no largest
    return Dim(name.lstrip("_"), max(1, int(value.min)), most, factor)


def as_declared_dim(text: str) -> Dim:
    """The dimension that a file declares as `text`: `8*_height` promises multiples of 8."""
    found = MULTIPLE.fullmatch(text)
    return Dim(text, multiple_of=int(found[1]) if found else 1)


def free_dimensions(declared: Sequence[Value], examples: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, Dim]]:
    """The dimensions that a file declares without a number, by input and axis.

    One without a name, or whose name has two sizes in one of the examples, is named by its input and axis.
    """
    named = {
        (value.name, axis): size
        for value in declared
        for axis, size in enumerate(value.shape or ())
        if not isinstance(size, int)
    }
    sizes = [{place: np.shape(example[place[0]])[place[1]] for place in named} for example in examples]
    free: dict[str, dict[int, Dim]] = {}
    for (name, axis), symbol in named.items():
        alike = [place for place, other in named.items() if other == symbol]
        is_one = symbol is not None and all(len({found[place] for place in alike}) == 1 for found in sizes)
        free.setdefault(name, {})[axis] = as_declared_dim(str(symbol) if is_one else f"{name}.{axis}")
    return free


def dims_of(dynamic: Dynamic) -> dict[str, Dim]:
    """The dimensions by name; a plain name means the `Dim` of that name if there is one.

    Raises `ValueError` if a name has two promises.
    """
    found: dict[str, Dim] = {}
    for dim in (dim for axes in dynamic.values() for dim in axes.values()):
        if isinstance(dim, Dim) and found.setdefault(dim.name, dim) != dim:
            raise ValueError(f"{dim.name!r} has two promises, {found[dim.name].promise} and {dim.promise}")
    names = {str(dim): None for axes in dynamic.values() for dim in axes.values()}
    return {name: found.get(name, Dim(name)) for name in names}


def as_torch_dim(dim: Dim, size: int) -> Any:
    """The `torch.export.Dim` for a dimension that the traced inputs have `size` of.

    A promise of multiples is torch's `8*_height`, unless the traced size is the first multiple: torch.export takes a
    size of 1 for fixed.
    """
    from torch.export import Dim as TorchDim

    least, most, factor = dim.smallest, dim.largest, dim.multiple_of
    if factor == 1 or size // factor < 2:
        bounds = {"min": least if least > 1 else None, "max": most}
        return TorchDim(dim.name, **{end: bound for end, bound in bounds.items() if bound is not None})
    return factor * TorchDim(f"_{dim.name}", min=least // factor, **({} if most is None else {"max": most // factor}))
