"""The window's words for what error messages tell users of the command line to do."""

from __future__ import annotations

_WORDS = (
    (
        "give another --out, or --overwrite to replace it",
        "choose another name, or tick Replace an existing file",
    ),
    ("give another --out", "choose another name"),
    ("give --out one", "choose one"),
    ("run again with --resume to go on", "Resume goes on"),
    ("--resume goes on with what is done", "Resume goes on with what is done"),
    ("run with the same ones, or without --resume to start afresh", "start afresh under another name"),
    ("--codec ", "the format "),
    ("give --capture-factor", "say by how much it was slowed down"),
    ("give it with --offset-ms", "enter it"),
    ("choose --start and --end inside it", "choose a part inside it"),
)


def in_window_words(text: str) -> str:
    """The same sentence with buttons and fields in place of options."""
    for options, words in _WORDS:
        text = text.replace(options, words)
    return text
