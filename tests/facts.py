"""What the installed stack can do: facts that specs and departures depend on."""

import cv2

from onnxproof.versions import TORCH, release

ONNX, ONNXRUNTIME = release("onnx"), release("onnxruntime")
OPENCV = release("opencv-python-headless")

torch_export_is_default = TORCH >= (2, 9)
"""torch.onnx.export writes by torch.export, unless it is called with `dynamo=False`."""
torchscript_ties_output_dims = TORCH >= (2, 4)
torch_counts_operations = TORCH >= (2, 1)
torch_resets_compilations = TORCH >= (2, 1)
torch_has_lanczos = TORCH >= (2, 12)
torch_has_half_on_cpu = TORCH >= (2, 2)
torch_export_writes_kernel_shape = release("onnxscript") >= (0, 7, 2)
torch_export_writes_half_pixel = release("onnxscript") >= (0, 7, 1)
torch_export_convolves_unknown_sizes = TORCH >= (2, 12)
"""Up to 2.11 a convolution asks how large its image is, and in 2.9 interpolate asks that of its output."""
export_has_default_arguments = TORCH >= (2, 5)
convolutions_are_summed_alike = TORCH >= (2, 2)
"""torch 2.0 and onnxruntime 1.15 are 4.2e-3 apart on the face, whatever scales it."""
bicubic_coordinates_are_rounded_alike = TORCH >= (2, 6)
"""torch 2.0 rounds coordinates at ×0.3 and ×2.7 differently, and is 1e-2 of 255 off there; 2.6 is not."""
torch_is_ready_after_a_failed_print = TORCH >= (2, 1)
"""torch 2.0 prints at the end of each export; if that fails, it takes every later one for a nested one."""
onnx_converts_resize_down = ONNX >= (1, 23)
"""onnx up to 1.22 cannot convert a Resize from opset 18 to a lower one, and torch.export leaves it at 18."""
reference_evaluator_takes_an_empty_roi = ONNX >= (1, 22)
reference_evaluator_gives_inner_values = ONNX >= (1, 17)
onnx_has_4_bit_integers = ONNX >= (1, 16)
onnx_reads_bfloat16 = not (1, 17) <= ONNX < (1, 19)
onnx_checks_external_data = ONNX >= (1, 21)
onnx_splits_external_data_in_attributes = ONNX >= (1, 16)
onnx_nodes_have_metadata = ONNX >= (1, 16)
onnxruntime_takes_bfloat16 = ONNXRUNTIME >= (1, 22)
opencv_runs_dynamic_shapes = OPENCV >= (5,)
opencv_resizes_bicubic = OPENCV >= (5,)
opencv_infers_kernel_shapes = OPENCV >= (4, 13)
CLASSIC_OPENCV = (cv2.dnn.ENGINE_CLASSIC,) if OPENCV >= (5,) else ()
"""The arguments with which `cv2.dnn.readNetFromONNX` takes the engine that OpenCV had before 5."""
xdist_has_groups = release("pytest") < (9, 2)
"""pytest-xdist 3.8 writes a group to where pytest 9.2 no longer reads it."""
