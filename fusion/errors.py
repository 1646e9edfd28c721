"""Errors of the fusion package; every message says what is wrong and what to do."""


class FusionError(Exception):
    """Base of everything this package raises for a cause the operator can act on."""
