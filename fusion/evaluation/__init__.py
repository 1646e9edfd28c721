"""Quality on clips with known truth: septuplets and whole GoPs."""

from fusion.evaluation.report import PLAIN, PROTOCOLS, Row, evaluate

__all__ = ["PLAIN", "PROTOCOLS", "Row", "evaluate"]
