"""What is wrong with a picture, found from the picture alone: :func:`inspect`; one file a finding.

A finding (:class:`~zeroshot.inspection.finding.Finding`) is a small dataclass of numbers with a confidence and a
sentence; :class:`Inspection` holds them all and says which command would undo what they tell of.
"""

from zeroshot.inspection.inspection import Inspection, Remedy, inspect
from zeroshot.inspection.noise import describe

__all__ = ["Inspection", "Remedy", "describe", "inspect"]
