"""Where installed stacks depart from the document, as data: one hook turns each entry into a strict xfail."""

import pytest

from onnxproof.claims.claim import Deviation, NotApplicable
from onnxproof.engines.base import EngineError
from onnxproof.exporting.export import ExportError
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.facts import (
    reference_evaluator_takes_an_empty_roi,
    torch_export_writes_kernel_shape,
    torch_has_lanczos,
    torchscript_ties_output_dims,
)

DID_NOT_RAISE = pytest.RaisesExc(pytest.fail.Exception, match="DID NOT RAISE")

DEVIATIONS = (
    Deviation(
        "listing-export",
        "torch.export is the default, and writes opset 18 where 11 is asked for",
        exporter=TORCH_EXPORT,
        spec="test_opset_is_11",
        seen=pytest.RaisesExc(AssertionError, match="18 == 11"),
        instead="test_opset_is_18",
    ),
    Deviation(
        "listing-export",
        "torch.export is the default, and writes the weights into a second file",
        exporter=TORCH_EXPORT,
        spec="test_one_file_is_written",
        seen=pytest.RaisesExc(AssertionError, match=r"srcnn\.onnx\.data"),
        instead="test_weights_are_a_second_file",
    ),
    Deviation(
        "listing-runtime",
        "a few values in ten thousand are one level apart",
        spec="test_picture_is_torchs",
        seen=pytest.RaisesExc(AssertionError, match="Arrays are not equal"),
        instead="test_few_values_are_one_level_apart",
    ),
    Deviation(
        "listing-int-export",
        "torch.export is the default, raises nothing, and writes a file with 3 built in",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(AssertionError, match="TypeError"),
        instead="test_file_has_the_int_built_in",
    ),
    Deviation(
        "listing-item",
        "torch.export is the default, and refuses a factor of interpolate that is not known when it traces",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(AssertionError, match="TorchExportError"),
        instead="test_export_is_refused",
    ),
    Deviation(
        "listing-operator-export",
        "torch.export is the default, traces through forward instead of symbolic, and refuses the factor there",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(AssertionError, match="TorchExportError"),
        instead="test_operator_is_refused",
    ),
    Deviation(
        "listing-operator-runtime",
        "listing 9 has written no file, since torch.export refuses its network",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(AssertionError, match="NoSuchFile"),
        instead="test_there_is_no_file",
    ),
    Deviation(
        "listing-gop-conv-no-bias",
        "the graph that symbolic is given has no `constant`",
        exporter=TORCHSCRIPT,
        seen=pytest.RaisesExc(AssertionError, match="no attribute 'constant'"),
        instead="test_missing_bias_is_an_error",
    ),
    Deviation(
        "upsample-align-nearest",
        "the modes that do not interpolate refuse the argument, False as well as True",
        seen=pytest.RaisesExc(ValueError, match="align_corners option can only be set"),
        instead="test_argument_is_refused",
    ),
    Deviation(
        "upsample-align-smoother",
        "which one is smoother depends on the mode and the factor, and they differ by less than 5 %",
        seen=pytest.RaisesExc(AssertionError, match=r"^assert 1\.0\d+ < 1"),
        instead="test_mode_and_factor_decide",
    ),
    Deviation(
        "upsample-mode-list",
        "torch has a seventh mode, nearest-exact",
        spec="test_nearest_exact_is_refused",
        seen=DID_NOT_RAISE,
        instead="test_nearest_exact_is_a_mode",
    ),
    Deviation(
        "upsample-mode-list",
        "interpolate, but not Upsample, has the mode lanczos, with antialias=True",
        when=torch_has_lanczos,
        spec="test_lanczos_is_refused",
        seen=DID_NOT_RAISE,
        instead="test_lanczos_is_a_mode_of_interpolate",
        link="https://github.com/pytorch/pytorch/pull/177320",
    ),
    Deviation(
        "upsample-nearest-is-nearest",
        "nearest takes the pixel that an output pixel's left edge falls into; nearest-exact takes the nearest",
        seen=pytest.RaisesExc(AssertionError, match=r" <= 0\.5"),
        instead="test_left_edge_decides",
    ),
    Deviation(
        "upsample-nearest-cost",
        "bicubic reads 16 pixels for one of the output, bilinear 4",
        spec="test_bicubic_reads_slightly_more",
        seen=pytest.RaisesExc(AssertionError, match=r"^assert 16 < \(2 \* 4\)"),
        instead="test_bicubic_reads_four_times_as_many",
    ),
    Deviation(
        "upsample-recompute",
        "the size is the same either way; only coordinates change",
        spec="test_size_is_more_accurate",
        seen=pytest.RaisesExc(AssertionError, match=r"^assert (\S+) < \1(\s|$)"),
        instead="test_size_is_the_same",
    ),
    Deviation(
        "export-writes",
        "torch.export writes the weights into a second file, unless external_data=False",
        exporter=TORCH_EXPORT,
        spec="test_one_file_is_written",
        seen=pytest.RaisesExc(AssertionError, match=r"model\.onnx\.data"),
        instead="test_weights_are_a_second_file",
    ),
    Deviation(
        "export-traces",
        "torch.export refuses a branch that depends on the data",
        exporter=TORCH_EXPORT,
        spec="test_branch_taken_is_the_only_one_recorded",
        seen=pytest.RaisesExc(ExportError, match="data-dependent"),
        instead="test_data_dependent_branch_is_refused",
    ),
    Deviation(
        "export-conv-attributes",
        "torch.export leaves kernel_shape out, with onnxscript before 0.7.2",
        exporter=TORCH_EXPORT,
        when=not torch_export_writes_kernel_shape,
        spec="test_first_convolution",
        seen=pytest.RaisesExc(KeyError, match="kernel_shape"),
        instead="test_kernel_shape_is_the_weights",
    ),
    Deviation(
        "export-io-info",
        "torchscript declares batch and height of the operator's output as one symbol",
        exporter=TORCHSCRIPT,
        when=torchscript_ties_output_dims,
        spec="test_declared_output_dimensions_are_kept",
        seen=pytest.RaisesExc(AssertionError, match=r"assert \(74, 3, 74, 106\) == \(1, 3, 74, 106\)"),
        instead="test_batch_and_height_share_a_symbol",
    ),
    Deviation(
        "export-opset-count",
        "opsets have gone on being published",
        seen=pytest.RaisesExc(AssertionError),
        instead="test_more_opsets_have_come",
    ),
    Deviation(
        "int-factor-reason",
        "the tracer makes a tensor of an int; it is interpolate that refuses a tensor as factor",
        seen=DID_NOT_RAISE,
        instead="test_interpolate_refuses_a_tensor_factor",
    ),
    Deviation(
        "export-opset-11",
        "asked for an opset below 14, torch.export writes 18 and raises nothing",
        exporter=TORCH_EXPORT,
        spec="test_opset_below_11_is_refused",
        seen=DID_NOT_RAISE,
        instead="test_low_opset_becomes_18",
    ),
    Deviation(
        "export-opset-11",
        "asked for opset 11, torch.export writes 18 and raises nothing",
        exporter=TORCH_EXPORT,
        spec="test_opset_11_is_written",
        seen=pytest.RaisesExc(AssertionError, match="18 == 11"),
        instead="test_low_opset_becomes_18",
    ),
    Deviation(
        "runtime-same-picture",
        "a few values in ten thousand sit on a truncation edge and come out one level apart",
        seen=pytest.RaisesExc(AssertionError),
        instead="test_only_truncation_edges_differ",
    ),
    Deviation(
        "int-factor-typeerror",
        "torch.export freezes the int without an error or a warning",
        exporter=TORCH_EXPORT,
        seen=DID_NOT_RAISE,
        instead="test_int_is_frozen_without_a_word",
    ),
    Deviation(
        "item-exports",
        "torch.export refuses .item(): the factor's value is not known when the model is traced",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(ExportError, match=r"refused the model"),
        instead="test_item_is_refused",
    ),
    Deviation(
        "operator-two-inputs",
        "torch.export does not look at symbolic and refuses the Python numbers in forward",
        exporter=TORCH_EXPORT,
        seen=pytest.RaisesExc(ExportError, match=r"refused the model"),
        instead="test_autograd_function_is_refused",
    ),
    Deviation(
        "operator-order",
        "the factor is [1, 1, height, width], as the picture's own axes are",
        seen=pytest.RaisesExc(AssertionError),
        instead="test_factor_is_height_width",
    ),
    Deviation(
        "operator-any-factor",
        "Resize computes lengths in float32, takes a lone pixel from the first one, and copies what keeps its size",
        spec="test_every_pair_agrees",
        seen=pytest.RaisesExc(AssertionError, match="of 2560 pairs disagree"),
        instead="test_rule_names_the_pairs_that_disagree",
        link="https://github.com/pytorch/pytorch/issues/79361",
    ),
    Deviation(
        "operator-any-factor",
        "the reference evaluator of onnx before 1.22 takes no empty roi, which torchscript writes",
        exporter=TORCHSCRIPT,
        when=not reference_evaluator_takes_an_empty_roi,
        spec="test_reference_evaluator_agrees",
        seen=pytest.RaisesExc(EngineError, match="index 0 is out of bounds"),
        instead="test_reference_evaluator_takes_no_empty_roi",
    ),
    Deviation(
        "gop-conv-no-bias",
        "the graph that symbolic is given has no `constant`",
        exporter=TORCHSCRIPT,
        seen=pytest.RaisesExc(ExportError, match="no attribute 'constant'"),
        instead="test_graph_has_no_constant",
    ),
)

NO_SYMBOLIC = "torch.export does not look at symbolic, where g.op is called"
NO_FILE = "torch.export refuses .item(), so there is no such file"

NOT_APPLICABLE = (
    NotApplicable("listing-gop-add", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("listing-gop-conv", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("listing-gop-conv-no-bias", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("listing-gop-resize", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("item-warning", NO_FILE, exporter=TORCH_EXPORT),
    NotApplicable("item-folded", NO_FILE, exporter=TORCH_EXPORT),
    NotApplicable("item-identical", NO_FILE, exporter=TORCH_EXPORT),
    NotApplicable(
        "operator-any-factor",
        "torch.export refuses the autograd.Function, so there is no such file",
        exporter=TORCH_EXPORT,
        spec="test_both_operators_give_the_same_graph",
    ),
    NotApplicable("gop-call", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("gop-suffixes", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("gop-conv", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("gop-conv-no-bias", NO_SYMBOLIC, exporter=TORCH_EXPORT),
    NotApplicable("gop-constant", NO_SYMBOLIC, exporter=TORCH_EXPORT),
)
