"""Keras: a model as a .keras file, and the reading of one."""
