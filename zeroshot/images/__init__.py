"""Images in and out: files, PIL images, arrays, tensors ↔ float (N, C, H, W) in [0, 1], back as they came.

:func:`load` takes whatever holds a picture and gives a :class:`Picture`, which remembers the form it came in;
:meth:`Picture.as_given` gives restored colours back in that form, and :func:`save` writes them to a file with
everything that the input carried. Formats and what they keep: :mod:`zeroshot.images.formats`.
"""

import lazy_loader

# Loaded when first asked for: what a file says of itself is told without PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
