"""The command's first step, also of `python -m onnxproof`: an interrupt is one line while the rest is imported, too."""

import gc
import sys


def main() -> int:
    """Runs the command and returns its exit status."""
    gc.disable()  # until the command is imported: that makes many objects, and no garbage
    try:
        from onnxproof import cli

        return cli.main()
    except KeyboardInterrupt:
        print("onnxproof: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
