"""Where does a pixel of one camera land in the other: pure functions on arrays."""
