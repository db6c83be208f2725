"""Listing 2: the network as an ONNX file."""

noise = torch.randn(1, 3, 256, 256)
with torch.no_grad():
    torch.onnx.export(network, noise, "srcnn.onnx", opset_version=11, input_names=["input"], output_names=["output"])
