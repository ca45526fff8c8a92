"""Small language models that ship with the package and run on NumPy alone."""
