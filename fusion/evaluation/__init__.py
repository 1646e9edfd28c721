"""Quality on clips with known truth: septuplets and whole GoPs."""
