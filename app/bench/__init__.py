"""What the capture path manages on this machine, beside other programs in the same run."""
