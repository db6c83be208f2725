"""Inputs and dimensions that a file declares otherwise than its case asks for, and what to do about them."""

import contextlib
from collections.abc import Iterable, Mapping

import numpy as np

from onnxproof._internal.trees import leaves
from onnxproof.case import Case
from onnxproof.exporting.export import ExportError
from onnxproof.graph.checker import refused_by_checker
from onnxproof.graph.diff import Difference
from onnxproof.graph.facts import Graph
from onnxproof.locating.weights import default_advice
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.probes import resized
from onnxproof.versions import TORCH_EXPORT

KEEP_A_TENSOR = (
    "Keep it a tensor in the model: a Python number freezes it, and for torchscript `.item()`, `int(x.shape[i])` and"
    " `if` do, too."
)


NO_NUMBER = (
    "Look for what needs the size as a number, such as a branch or a loop on it, `chunk` or `unbind`: torch.export "
    "decides it for the size of the example."
)


WITHOUT_FOLDING = "Make the file without fixed shapes or inputs, or leave out the tool's step that folds constants."


def by_original(conversion: Conversion, of_a_module: str, of_a_file: str) -> str:
    """One text for a file that was exported from a module, and another for one that a tool made of a file."""
    return of_a_file if conversion.original else of_a_module


def size_advice(conversion: Conversion) -> str:
    """What to do about a size of the example that the file keeps."""
    if conversion.case.file:
        return WITHOUT_FOLDING
    return NO_NUMBER if conversion.file.written_by == TORCH_EXPORT else KEEP_A_TENSOR


def again_advice(difference: Difference) -> str:
    """What to do about a second export that differs from the first: what it declares is the exporter's choice."""
    if difference.kind == "inputs":
        return "Try the other exporter."
    return "Call `model.eval()`, and let `forward` change nothing: the model keeps state or draws random numbers."


def strange_inputs(conversion: Conversion) -> list[str]:
    """The inputs that the file asks for and the case does not have."""
    known = leaves(conversion.case.inputs)
    return [name for name in conversion.graph.input_names if name not in known]


def other_dtypes(conversion: Conversion) -> list[str]:
    """The inputs that the file asks for in another dtype than the case's arrays have."""
    own = leaves(conversion.case.inputs)
    dtypes = {name: leaf.dtype for name, leaf in own.items() if isinstance(leaf, np.ndarray)}
    return [
        f"the input {value.name} is {value.dtype}, the model's is {dtypes[value.name].name}"
        for value in conversion.graph.inputs
        if value.name in dtypes and dtypes[value.name].kind not in "cO" and dtypes[value.name].name != value.dtype
    ]


def dtypes_advice(conversion: Conversion) -> str:
    """What to do about inputs or outputs of another dtype."""
    return by_original(
        conversion,
        "Cast it in the model.",
        "Keep the types of inputs and outputs, such as with `keep_io_types=True` of a float16 converter.",
    )


def is_ill_formed(conversion: Conversion) -> bool:
    """Whether onnx's checker refuses the file, and not its original."""
    if not refused_by_checker(conversion.file.path):
        return False
    return not (conversion.original and refused_by_checker(conversion.original))


def ill_formed_advice(conversion: Conversion) -> str:
    """What to do about a file that onnx's checker refuses."""
    again = by_original(conversion, "Export it again", "Make it again, or report the model to the tool")
    if isinstance(conversion.file, ExportedFile):
        again = "Try another opset or the other exporter"
    return f"{again}: engines may misread a file that onnx's checker refuses."


def inputs_advice(conversion: Conversion) -> str:
    """What to do about a file whose inputs are not those of the case."""
    if conversion.case.file:
        return "Let the tool keep the inputs and their names."
    found, strange = conversion.graph.input_names, strange_inputs(conversion)
    is_renamed = strange and any(name not in found for name in conversion.case.required_inputs)
    if is_renamed and isinstance(conversion.file, GivenFile):
        return f"Give the case's `inputs` the names that the file has: {', '.join(found)}."
    if advice := default_advice(conversion):
        return advice
    if strange and not is_renamed:
        return f"Give {', '.join(strange)} in the case's `inputs` if the model takes it, or export without it."
    return "Pass each input as a tensor, and do not take its value out: a Python number is folded into the file."


def declared_dims(conversion: Conversion, graph: Graph | None = None) -> list[tuple[str, str, int | str | None]]:
    """The case's dynamic dimensions that a file declares: the symbol, the input, and the size or its name."""
    shapes = {value.name: value.shape for value in (graph or conversion.graph).inputs}
    return [
        (str(dim), name, shape[axis] if axis < len(shape) else None)
        for name, axes in conversion.case.dynamic.items()
        for axis, dim in axes.items()
        if (shape := shapes.get(name)) is not None
    ]


def frozen_sizes(conversion: Conversion, graph: Graph | None = None) -> dict[str, int]:
    """The case's dynamic dimensions that a file declares as numbers, by symbol."""
    return {symbol: size for symbol, _, size in declared_dims(conversion, graph) if isinstance(size, int)}


def refused_dim(conversion: Conversion, sizes: Mapping[str, int]) -> str:
    """The first dimension whose size in some inputs is not the number that the file declares; "" if there is none."""
    frozen = frozen_sizes(conversion)
    return next((symbol for symbol, size in frozen.items() if sizes.get(symbol, size) != size), "")


def frozen_advice(conversion: Conversion) -> str:
    """What to do about dimensions that the file declares as numbers."""
    frozen, case, file = frozen_sizes(conversion), conversion.case, conversion.file
    is_of_ones = all(case.sizes[symbol] == 1 for symbol in frozen)
    if is_of_ones and isinstance(file, ExportedFile) and file.exporter == TORCH_EXPORT:
        with contextlib.suppress(ExportError):
            if not frozen_sizes(conversion, exported_with_two(case, file, frozen)):
                return with_two(frozen)
    return size_advice(conversion)


def exported_with_two(case: Case, file: ExportedFile, symbols: Iterable[str]) -> Graph:
    """The graph of the example with a size of 2 along dimensions. Raises `ExportError`."""
    return file.traced_on(resized(case, case.sizes | dict.fromkeys(symbols, 2)).inputs, "with-two").graph


def with_two(symbols: Iterable[str]) -> str:
    """The advice for dimensions whose size of 1 in the example is all that freezes them."""
    return f"Give an example with {' = '.join(symbols)} = 2: torch.export takes a size of 1 for a constant."
