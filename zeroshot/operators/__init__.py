"""Operators A: the damage, as differentiable maps with an adjoint, a norm and a first estimate."""

import lazy_loader

# Loaded when first asked for: how operators are written is listed without PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
