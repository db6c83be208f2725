"""`python -m onnxproof` is the command `onnxproof`."""

import sys

from onnxproof.cli import main

sys.exit(main())
