"""Listing 9: the network of listing 8, exported."""

with torch.no_grad():
    torch.onnx.export(
        network,
        (noise, factor),
        "srcnn3.onnx",
        opset_version=11,
        input_names=["input", "factor"],
        output_names=["output"],
    )
