"""issun: how small can the network be, and why?"""

__version__ = "0.1.0"
