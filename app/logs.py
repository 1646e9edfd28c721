"""Where logs of this user are kept."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def log_folder() -> Path:
    """Folder for logs of this user; whoever writes there makes it."""
    return Path(platformdirs.user_log_dir("twinrate", appauthor=False))
