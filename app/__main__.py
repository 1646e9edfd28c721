"""`python -m app` and the `twinrate` program."""

from __future__ import annotations

import json
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line that this process was started with."""
    try:
        # Takes a second, in which Ctrl-C and SIGTERM are as likely as later.
        from app.signals import end_as_by_ctrl_c

        end_as_by_ctrl_c()
        from app.cli import main as run
    except KeyboardInterrupt:
        if "--json" in sys.argv:
            print(json.dumps({"error": "stopped", "exit_code": 1}))
        sys.exit("twinrate: stopped")
    run()


if __name__ == "__main__":
    main()
