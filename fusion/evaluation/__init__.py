"""Quality on clips with known truth: septuplets and whole GoPs."""

from fusion.evaluation.report import PROTOCOLS, Row, evaluate

__all__ = ["PROTOCOLS", "Row", "evaluate"]
