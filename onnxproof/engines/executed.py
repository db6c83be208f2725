"""In which types ONNX Runtime runs the nodes of a lossy file, and what the processor has for integers."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto, TensorProto

from onnxproof.graph.facts import is_constant, value_of
from onnxproof.graph.inference import inferred

PROCESSOR = Path("/proc/cpuinfo")

DOT_PRODUCTS = ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
"""The processors' names of products of 8-bit integers that are added up in 32 bits."""

X86 = "sse2"
"""A feature of every x86-64."""

_OF_INTEGERS = (
    *("ConvInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat"),
    *("MatMulNBits", "QAttention", "QEmbedLayerNormalization", "QGemm", "QLinearConv", "QLinearMatMul"),
)
_OF_FLOATS = (
    *("Attention", "Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "GRU", "Gemm", "LSTM", "MatMul"),
    *("MultiHeadAttention", "RNN"),
)
_FLOATS = ("float16", "float32", "float64")
_MOVES = (
    "Cast",
    "Flatten",
    "Identity",
    "ReorderInput",
    "ReorderOutput",
    "Reshape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
"""Operators that compute nothing."""


def executed(path: str | os.PathLike[str], provider: str = "CPUExecutionProvider") -> ModelProto:
    """The graph that ONNX Runtime makes of a file to run it, with the casts that it adds.

    Raises whatever ONNX Runtime raises for a file that it refuses.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        options.optimized_model_filepath = str(Path(folder, "optimized.onnx"))
        onnxruntime.InferenceSession(os.fspath(path), options, providers=[provider])
        return onnx.load(options.optimized_model_filepath)


def told(path: str | os.PathLike[str], format: str, provider: str = "CPUExecutionProvider") -> str:
    """How many of a lossy file's nodes ONNX Runtime runs in the file's format, as clauses behind semicolons.

    Of an int8 file also what the processor has for integers. Raises whatever ONNX Runtime raises.
    """
    model = executed(path, provider)
    clauses = [types_told(model, format)]
    if format == "int8" and provider == "CPUExecutionProvider":
        clauses.append(integers_told(model))
    return "; ".join(filter(None, clauses))


def types_told(model: ModelProto, format: str) -> str:
    """How many of the nodes of an executed graph run in the format of its file, as a clause; "" where none can."""
    if format == "int8":
        kinds = Counter(node.op_type for node in model.graph.node)
        integers, floats = (sum(kinds[name] for name in names) for names in (_OF_INTEGERS, _OF_FLOATS))
        return f"{integers} of {integers + floats} layers run on integers" if integers + floats else ""
    counts = Counter(_types(model))
    narrow, both = counts[format], counts[format] + counts["float32"]
    if narrow in (0, both):
        return f"it computes in {format if narrow else 'float32'} throughout" if both else ""
    casts = sum(node.op_type == "Cast" for node in model.graph.node)
    return f"it computes in {format} in {narrow} of {both} nodes, in float32 in the others, behind {casts} casts"


def _types(model: ModelProto) -> Iterable[str]:
    """The type of the first float that each node makes or, where ONNX Runtime does not say, takes."""
    graph = model.graph
    found = {name: value.dtype for name, value in inferred(model).items()}
    found |= {info.name: value_of(info).dtype for info in (*graph.input, *graph.value_info, *graph.output)}
    for node in graph.node:
        named = [found[name] for name in (*node.output, *node.input) if found.get(name, "").endswith(_FLOATS)]
        for name in node.output if named else ():
            found.setdefault(name, named[0])
        if named and node.op_type not in _MOVES and not is_constant(node):
            yield named[0]


def integers_told(model: ModelProto) -> str:
    """What this processor has for the products of an executed graph, as a clause; "" where it cannot be told.

    Without it, ONNX Runtime's products of uint8 by int8 saturate at 16 bits.
    """
    features = _features()
    found = [name for name in DOT_PRODUCTS if name in features]
    if found:
        return f"the processor has {', '.join(found)}"
    if X86 not in features:
        return ""
    may = ": products of uint8 by int8 may saturate" if _is_mixed(model) else ""
    return f"the processor has no VNNI{may}"


def _features() -> set[str]:
    try:
        text = PROCESSOR.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    lines = (line.partition(":") for line in text.splitlines())
    return {feature for name, _, rest in lines if name.strip() in ("flags", "Features") for feature in rest.split()}


def _is_mixed(model: ModelProto) -> bool:
    """Whether a layer has activations in uint8 and weights in int8."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}

    def is_uint8(name: str) -> bool:
        zero = constants.get(name)
        is_dynamic = name in makers and makers[name].op_type == "DynamicQuantizeLinear"
        return is_dynamic or (zero is not None and zero.data_type == TensorProto.UINT8)

    return any(
        any(is_uint8(name) for name in node.input) or node.op_type == "DynamicQuantizeMatMul"
        for node in graph.node
        if node.op_type in _OF_INTEGERS
        and any(name in constants and constants[name].data_type == TensorProto.INT8 for name in node.input)
    )
