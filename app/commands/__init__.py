"""One file a subcommand: each parses, calls the program's own functions, and prints.

Heavy packages (torch, cv2, av) are imported inside the command, so that `--help` answers at once.
"""
