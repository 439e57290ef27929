"""PyTorch: a network as the source of a module that people can read, and the state that loads into it."""
