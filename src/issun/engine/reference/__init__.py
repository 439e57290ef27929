"""The reference engine: NumPy, slow and plain; it defines what is right."""
