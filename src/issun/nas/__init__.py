"""Search for networks: changes of a network, where a search starts, which network is trained next, and which are confirmed.

Networks are lines of the notation throughout.
"""
