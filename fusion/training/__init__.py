"""Training of the fusion networks: data, loop, recipe."""
