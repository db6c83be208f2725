"""What engines are known to do otherwise than ONNX says, or not to do: why a right file fails in one of them."""

import re
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A failing of an engine, or of one of its options (`opencv:classic`): a `fact`, and what to do instead.

    It explains a finding whose problem the regular expression `shows` matches; if `part` is stated, of a file that has
    an input or an output of that dtype, a node of that operator, also with a whole number as its attribute
    (`Resize.antialias=1`), or one that takes what another makes (`Reshape > Reshape`). `part` is a regular expression,
    too. `link` is a public page on it.
    """

    engine: str
    fact: str
    shows: str
    advice: str
    part: str = ""
    link: str = ""


_NEW_ENGINE = "Use OpenCV's new engine, which OpenCV 5 has, or another engine."
_FLOAT32 = "Export the model in float32, or deploy it to another engine."
_NO_ANTIALIAS = (
    "Its Resize does not antialias.",
    r"apart, .* allowed",
    "Leave out antialias in the model, or deploy the file to another engine.",
)
_WRONG_VALUES = r"apart, .* allowed|the errors are biased"
_IN_32_BITS = (
    "It computes int64 in 32 bits: larger values are lost.",
    r"expected -?\d{10}",
    "Keep integers below 2³¹, or deploy the file to another engine.",
)

KNOWN: tuple[Known, ...] = (
    Known(
        "openvino",
        "It computes float64 in float32.",
        r"apart, .* allowed",
        _FLOAT32,
        part="float64",
        link="https://docs.openvino.ai/2024/openvino-workflow/running-inference/inference-devices-and-modes/"
        "cpu-device.html",
    ),
    Known(
        "openvino",
        *_IN_32_BITS,
        part="int64",
        link="https://github.com/openvinotoolkit/openvino/issues/35823",
    ),
    Known("openvino", *_NO_ANTIALIAS, part="Resize.antialias=1"),
    Known(
        "openvino",
        "Its one-sided DFT has a dimension too many.",
        r"shape \(.*, 1, 2\), expected",
        "Take both sides, or deploy the file to another engine.",
        part="DFT",
    ),
    Known("opencv", *_IN_32_BITS, part="int64"),
    Known(
        "opencv",
        "Its matrix products in float64 are wrong.",
        r"not finite|apart, .* allowed",
        _FLOAT32,
        part="float64",
    ),
    Known("opencv", *_NO_ANTIALIAS, part="Resize.antialias=1"),
    Known(
        "opencv",
        "Its normalizations lose digits where the mean is large beside the spread.",
        _WRONG_VALUES,
        "Move the values near zero before them, or deploy the file to another engine.",
        part="(Group|Instance|Layer)Normalization",
    ),
    Known("opencv", "It gives float16 outputs in float32.", r"dtype float32, expected float16", _FLOAT32),
    Known("opencv", "It takes no bfloat16.", r"blob data type = bfloat16 is not supported", _FLOAT32),
    Known(
        "opencv:new",
        "It makes one Reshape of two, and copies the sizes of the second from before the first.",
        r"shape \(.*\), expected \(|reshape2_layer\.cpp",
        "Compute the sizes in the file, as torch.export does for PixelUnshuffle, or deploy it to another engine.",
        part="Reshape > Reshape",
    ),
    Known(
        "opencv:new",
        "A Gemm in a branch keeps the sizes that the branch ran with before.",
        r"C is not broadcast properly",
        "Open the file anew for other sizes, or deploy it to another engine.",
        part="If",
    ),
    Known(
        "opencv:classic",
        "It refuses a shape that is computed in the file.",
        r"isDynamicShape|layer_id\.find\(node_proto\.input\(i\)\) == layer_id\.end\(\)",
        f"{_NEW_ENGINE} For fixed sizes an exporter writes them as numbers.",
    ),
    Known(
        "opencv:classic",
        "It refuses a reduction over free sizes, or crashes at it.",
        r"Axis must be 0 when input is empty|arg_layer\.cpp|Segmentation fault",
        f"{_NEW_ENGINE} For fixed sizes it runs.",
        part=r"Reduce\w+|ArgMax|ArgMin",
    ),
    Known("opencv:classic", "It has no cubic Resize.", r"'interpolation' is cubic", _NEW_ENGINE),
    Known("opencv:classic", "It has no control flow.", r"'Graph' is not supported", _NEW_ENGINE),
    Known("opencv:classic", "It computes no float16 on a CPU.", r"\(CV_16FC1\)", _NEW_ENGINE),
    Known("tract", "It has no Loop.", r"Unimplemented\(Loop\)", "Write the loop out, or deploy to another engine."),
    Known("tract", "It takes no bfloat16.", r"Unknown DatumType Bfloat16", _FLOAT32),
    Known(
        "tract",
        "Its Gemm takes float32 alone.",
        r"F16 got \S+,F32|tensor is F32, accessed as F64",
        _FLOAT32,
        part="Gemm",
    ),
    Known(
        "tract",
        "It adds a long sum in float32, one value after the other.",
        _WRONG_VALUES,
        "Take sums and means over one axis after the other, or deploy the file to another engine.",
        part="ReduceMean|ReduceSum|InstanceNormalization",
    ),
    Known(
        "tract",
        "It plans every size before a run, and refuses one that depends on the values of an input.",
        r"Neither sizes nor scales makes sense|shape input is variable",
        "Make the input a number of the model, or deploy the file to another engine.",
    ),
    Known(
        "tract",
        "It plans a free size as a number, and refuses a file that names the size inside.",
        r"Impossible to unify (Val\(\d+\) with )?Sym",
        "Export the file for fixed sizes, or deploy it to another engine.",
    ),
)


_CHOSEN = {"opencv": "opencv:new"}
"""The option that an engine chooses by itself."""


def known(engine: str, problem: str, parts: Collection[str] = ()) -> Known | None:
    """The failing of an engine that explains a problem of a file, which has dtypes and operators as `parts`."""
    names = engine, engine.partition(":")[0], _CHOSEN.get(engine)
    fits = (each for each in KNOWN if each.engine in names)
    return next((each for each in fits if _explains(each, problem, parts)), None)


def _explains(each: Known, problem: str, parts: Collection[str]) -> bool:
    return bool(re.search(each.shows, problem)) and (not each.part or any(re.fullmatch(each.part, it) for it in parts))
