"""The priors that come with zeroshot, one module or package per family."""
