"""ONNX Runtime's graph optimizers: the same file with some of them disabled."""

import os
from collections.abc import Collection, Mapping

import onnxruntime

from onnxproof._internal.forked import SECONDS, Forked, ProcessError
from onnxproof._internal.trees import Array
from onnxproof.engines.base import EngineError, ask

LEVELS = {"basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED", "all": "ORT_ENABLE_ALL"}
"""ONNX Runtime's levels of graph optimization, as its documentation calls them."""

OPTIMIZERS = (
    *("EliminateDropout", "EliminateIdentity", "EliminateSlice", "UnsqueezeElimination", "ExpandElimination"),
    *("CastElimination", "CastChainElimination", "NoopElimination", "PreShapeNodeElimination", "DivMulFusion"),
    *("FuseReluClip", "GemmSumFusion", "GemmTransposeFusion", "NotWhereFusion", "ConvAddFusion", "ConvMulFusion"),
    *("ConvBNFusion", "Pad_Fusion", "MatMul_BatchNormalization_Fusion", "LabelEncoderFusion"),
    *("CommonSubexpressionElimination", "ConstantSharing", "ConstantFolding", "MatMulAddFusion", "ReshapeFusion"),
    *("FreeDimensionOverrideTransformer", "GatherToSliceFusion", "GatherToSplitFusion", "TransposeOptimizer"),
    *("QDQPropagationTransformer", "WeightBiasQuantization", "DoubleQDQPairsRemover", "EnsureUniqueDQForNodeUnit"),
    *("GeluFusionL1", "LayerNormFusionL1", "SliceConcatToSpaceToDepthFusion", "FuseSliceConcatToSpaceToDepth"),
    *("GeluFusionL2", "LayerNormFusionL2", "SimplifiedLayerNormFusion", "BiasGeluFusion", "BiasSoftmaxFusion"),
    *("BiasDropoutFusion", "SkipLayerNormFusion", "BiasSkipLayerNormFusion", "FastGeluFusion", "QuickGeluFusion"),
    *("GeluApproximation", "AttentionFusion", "EmbedLayerNormFusion", "GroupQueryAttentionFusion"),
    *("MatmulTransposeFusion", "MatMulScaleFusion", "MatMulActivationFusion", "MatMulIntegerToFloatFusion"),
    *("DynamicQuantizeMatMulFusion", "GemmActivationFusion", "ConvActivationFusion", "ConvAddActivationFusion"),
    *("QDQSelectorActionTransformer", "QDQS8ToU8Transformer", "QDQFinalCleanupTransformer", "NchwcTransformer"),
    *("NhwcTransformer", "Avx2WeightS8ToU8Transformer"),
)
"""The optimizers that run on a CPU, by the names that a session disables them by; one that is unknown is ignored."""


class Optimizations:
    """A file in ONNX Runtime at any level, with any of its optimizers disabled, for up to `seconds` a run."""

    def __init__(self, path: str | os.PathLike[str], seconds: float | None = SECONDS) -> None:
        self._path = os.fspath(path)
        self._forked = Forked(self._open_and_run, seconds)

    def run(self, inputs: Mapping[str, Array], level: str, disabled: Collection[str] = ()) -> dict[str, Array]:
        """The outputs by name. Raises `EngineError`."""
        try:
            return self._forked(dict(inputs), level, sorted(disabled))  # type: ignore[no-any-return]
        except ProcessError as error:
            raise EngineError(f"onnxruntime {error}") from error

    def close(self) -> None:
        """Ends the process."""
        self._forked.close()

    def _open_and_run(self, inputs: dict[str, Array], level: str, disabled: list[str]) -> dict[str, Array]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[level])
        asked = {"providers": ["CPUExecutionProvider"], "disabled_optimizers": disabled}
        session = ask("onnxruntime", onnxruntime.InferenceSession, self._path, options, **asked)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, ask("onnxruntime", session.run, None, inputs), strict=True))
