"""A user's test of it."""

from my_models import my_case

from onnxproof import conversion_checks


@conversion_checks(my_case)
def test_conversion(case, check):
    """The conversion holds."""
    check(case)
