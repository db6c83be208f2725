"""Scales a picture with an exported network, without torch.

    python application/scale.py srcnn.onnx face.png larger.png
    python application/scale.py srcnn3.onnx face.png larger.png --factor 2.5

`tox -e application` makes one executable of it, which needs no Python either.
"""

import argparse
import sys

import cv2
import numpy as np
import onnxruntime


def main() -> None:
    parser = argparse.ArgumentParser(description="Scales a picture with an exported network.")
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("picture", help="the picture to read")
    parser.add_argument("larger", help="the picture to write")
    parser.add_argument("--factor", type=float, help="the factor, for a file that takes it as an input")
    options = parser.parse_args()

    picture = cv2.imread(options.picture)  # (H, W, 3) uint8, BGR
    if picture is None:
        sys.exit(f"{options.picture}: not a picture that OpenCV can read")
    inputs = {"input": np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], np.float32)}  # (1, 3, H, W)
    if options.factor is not None:
        inputs["factor"] = np.array([1, 1, options.factor, options.factor], np.float32)
    try:
        session = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])
        (output,) = session.run(["output"], inputs)
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        sys.exit(f"{options.model}: {error}")
    larger = np.clip(output[0], 0, 255).astype(np.uint8).transpose(1, 2, 0)
    if not cv2.haveImageWriter(options.larger) or not cv2.imwrite(options.larger, larger):
        sys.exit(f"{options.larger}: OpenCV cannot write this picture")


if __name__ == "__main__":
    main()
