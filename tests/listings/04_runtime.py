"""Listing 4: the file in ONNX Runtime."""

import onnxruntime

session = onnxruntime.InferenceSession("srcnn.onnx")
write_picture("face_ort.png", session.run(["output"], {"input": face})[0])
