"""Dictionary learning: patches as sums of few atoms, the atoms learned from the damaged image itself."""
