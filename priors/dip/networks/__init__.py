"""Untrained networks whose structure is the prior."""

from .decoder import Decoder
from .layers import Network
from .resnet import ResNet
from .skip import Skip
from .unet import UNet

__all__ = ["Decoder", "Network", "ResNet", "Skip", "UNet"]
