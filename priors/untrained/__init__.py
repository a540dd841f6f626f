"""Deep Image Prior: the structure of an untrained network as the prior of images.

References
----------
D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018; IJCV 128 (2020).
"""
