"""Predicting: which images are asked about, what a model says of them, and whether they are such as it was trained on."""
