"""Measuring this machine: cases, its peak, issun's share of it, and peers to compare with.

Nothing here is imported by training; `issun bench` and the scripts in `benchmarks/` are its users.
"""
