"""The plugin for napari: denoise, deconvolve, fill and enlarge layers, with a preview, and a button that stops.

napari finds it by the manifest ``napari.yaml`` beside this file. What is done to the values of a layer
(:mod:`zeroshot.napari.orders`) knows nothing of napari; :mod:`zeroshot.napari.widget` is the panel in its window.
"""
