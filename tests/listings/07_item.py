"""Listing 7: the factor as a tensor, which `.item()` turns into a number."""


class ItemFactorNet(RuntimeFactorNet):
    def forward(self, image, upscale_factor):
        scaled = interpolate(image, scale_factor=upscale_factor.item(), mode="bicubic", align_corners=False)
        return self.conv3(self.relu(self.conv2(self.relu(self.conv1(scaled)))))


network = load_weights(ItemFactorNet())
output = network(torch.from_numpy(face), torch.tensor(3)).detach().numpy()
with torch.no_grad():
    torch.onnx.export(
        network,
        (noise, torch.tensor(3)),
        "srcnn2.onnx",
        opset_version=11,
        input_names=["input", "factor"],
        output_names=["output"],
    )
