"""A user's test of it."""

from my_models import my_case

from onnxproof import conversion_checks


@conversion_checks(my_case)
def test_conversion(onnx_check):
    """The conversion holds."""
    onnx_check()
