"""Low rank: similar patches of an image, or the image itself, as matrices with few singular values.

Grouped patches are shrunk by the nuclear norm and its weighted form; the image as a whole is completed or
split into a low-rank and a sparse part.
"""
