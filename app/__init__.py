"""The operator's program: command line, window, session and pipeline."""

__version__ = "0.1.0"
