"""Collaborative filtering: similar patches stacked into groups, and each group shrunk in one transform.

References
----------
K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian: Image denoising by sparse 3-D transform-domain collaborative
filtering, IEEE TIP 16 (2007).
"""
