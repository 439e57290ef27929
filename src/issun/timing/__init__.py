"""How fast is this machine, and how much of it does the core use? Cases, the peak, timings, and peers to compare with.

Nothing here is imported by training; `issun bench` and the scripts in `benchmarks/` are its users.
"""
