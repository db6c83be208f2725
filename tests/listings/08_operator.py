"""Listing 8: the factor as a tensor, through an operator with a symbolic."""


class NewInterpolate(torch.autograd.Function):
    @staticmethod
    def symbolic(g, image, scales):
        return g.op(
            "Resize",
            image,
            g.op("Constant", value_t=torch.tensor([], dtype=torch.float32)),
            scales,
            coordinate_transformation_mode_s="pytorch_half_pixel",
            cubic_coeff_a_f=-0.75,
            mode_s="cubic",
            nearest_mode_s="floor",
        )

    @staticmethod
    def forward(ctx, image, scales):
        return interpolate(image, scale_factor=scales.tolist()[-2:], mode="bicubic", align_corners=False)


class StrangeSuperResolutionNet(RuntimeFactorNet):
    def forward(self, image, upscale_factor):
        scaled = NewInterpolate.apply(image, upscale_factor)
        return self.conv3(self.relu(self.conv2(self.relu(self.conv1(scaled)))))


network = load_weights(StrangeSuperResolutionNet())
factor = torch.tensor([1, 1, 3, 3], dtype=torch.float)
write_picture("face_torch_3.png", network(torch.from_numpy(face), factor).detach().numpy())
