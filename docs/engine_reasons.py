"""Why an engine hides, shows or refuses a fault that ONNX Runtime sees otherwise, for docs/faults.md."""

from typing import NamedTuple

HIDDEN, SHOWN, REFUSED = "hidden", "shown", "refused"
"""An engine sees nothing of a fault, sees what ONNX Runtime does not, or runs no file that ONNX Runtime runs."""


class Reason(NamedTuple):
    """Why engines see faults of a file in a way of their own."""

    sight: str
    engines: tuple[str, ...]
    faults: tuple[str, ...]
    why: str


_OPENVINO, _OPENCV, _TRACT = "openvino", "opencv:new", "tract"

REASONS = (
    Reason(
        HIDDEN,
        (_OPENVINO, _OPENCV, _TRACT),
        ("duplicate-names",),
        "The outputs are right: the last node stands there twice, and both make the same value. ONNX forbids it.",
    ),
    Reason(
        HIDDEN,
        (_OPENVINO, _OPENCV, _TRACT),
        ("inner-type-wrong",),
        "The outputs are right: types come from the nodes, not from what the file declares of values inside.",
    ),
    Reason(
        HIDDEN,
        (_OPENVINO, _OPENCV),
        ("opset-lowered",),
        "The outputs are right: Resize has an attribute of opset 18, which is read whatever opset the file states.",
    ),
    Reason(HIDDEN, (_OPENVINO, _OPENCV), ("antialias-on",), "The outputs are right: Resize never antialiases."),
    Reason(
        HIDDEN,
        (_OPENVINO,),
        ("half-precision",),
        "The outputs are right: float16 inside a file is computed in float32.",
    ),
    Reason(
        HIDDEN,
        (_OPENCV,),
        ("sizes-frozen", "batch-frozen"),
        "The outputs are right: inputs may have other sizes than the file declares.",
    ),
    Reason(SHOWN, (_TRACT,), ("crop-skipped-by-onnxruntime",), "It crops, as the file says."),
    Reason(SHOWN, (_TRACT,), ("mean-in-float16",), "It computes the mean in float16, as the file says."),
    Reason(
        REFUSED,
        (_OPENVINO, _OPENCV),
        ("crop-skipped-by-onnxruntime",),
        "The file is refused: Resize has no `tf_crop_and_resize`.",
    ),
    Reason(
        REFUSED,
        (_OPENVINO, _TRACT),
        ("dropout-in-training",),
        "The file is refused: Dropout has no training mode.",
    ),
    Reason(
        REFUSED,
        (_OPENCV,),
        ("node-order-broken",),
        "The file is refused: nodes run in its order. ONNX Runtime puts them in order.",
    ),
    Reason(REFUSED, (_OPENCV,), ("random-op",), "The file is refused: there is no RandomNormal."),
    Reason(
        REFUSED,
        (_OPENCV,),
        ("unused-input", "input-dropped"),
        "The file is refused: what is left of it is a convolution of a constant, which does not run.",
    ),
    Reason(
        REFUSED,
        (_TRACT,),
        ("batch-frozen", "output-flattened", "height-and-width-swapped"),
        "A size cannot be planned: free sizes become numbers, and the file names them inside.",
    ),
)
