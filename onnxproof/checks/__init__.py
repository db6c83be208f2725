"""What is checked, and the door to it: a case in, findings out."""

from onnxproof.checks.check import Check, CheckError, NotJudgedError, judge
from onnxproof.checks.run import CHECKS, run

__all__ = ["CHECKS", "Check", "CheckError", "NotJudgedError", "judge", "run"]
