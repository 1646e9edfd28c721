"""The operator's window. The only package that imports Qt; `application.run` is its way in."""
