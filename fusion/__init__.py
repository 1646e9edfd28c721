"""Two aligned streams become one: sharp as the first, fast as the second."""
