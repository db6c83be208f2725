"""Listing 1: the network, its weights, and the face at ×3."""

import cv2
import numpy as np
import torch
from torch import nn


class SuperResolutionNet(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.img_upsampler = nn.Upsample(scale_factor=upscale_factor, mode="bicubic", align_corners=False)
        self.conv1 = nn.Conv2d(3, 64, kernel_size=9, padding=4)
        self.conv2 = nn.Conv2d(64, 32, kernel_size=1, padding=0)
        self.conv3 = nn.Conv2d(32, 3, kernel_size=5, padding=2)
        self.relu = nn.ReLU()

    def forward(self, image):
        scaled = self.img_upsampler(image)
        return self.conv3(self.relu(self.conv2(self.relu(self.conv1(scaled)))))


def load_weights(network):
    weights = torch.load("srcnn.pth")["state_dict"]
    for key in list(weights):
        weights[key.partition(".")[2]] = weights.pop(key)
    network.load_state_dict(weights)
    network.eval()
    return network


def write_picture(path, output):
    picture = np.clip(np.squeeze(output, 0), 0, 255)
    cv2.imwrite(path, np.transpose(picture, (1, 2, 0)).astype(np.uint8))


network = load_weights(SuperResolutionNet(upscale_factor=3))
face = cv2.imread("face.png").astype(np.float32)
face = np.expand_dims(np.transpose(face, (2, 0, 1)), 0)
write_picture("face_torch.png", network(torch.from_numpy(face)).detach().numpy())
