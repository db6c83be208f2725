"""Listing 13: the Conv of listing 12 without a bias."""

torch.onnx.export(
    OneOperator(Conv),
    (small_noise, weight),
    "conv_no_bias.onnx",
    opset_version=11,
    input_names=["image", "weight"],
    output_names=["output"],
)
