"""Listing 3: whether the file is right."""

import onnx

model = onnx.load("srcnn.onnx")
try:
    onnx.checker.check_model(model)
except Exception:
    print("srcnn.onnx is wrong")
else:
    print("srcnn.onnx is right")
