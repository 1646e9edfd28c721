"""A stand-in for the PySpin module: virtual Grasshopper3 cameras and a trigger box."""
