"""Search for networks: changes of a network, where a search starts, and which network is to be trained next.

Networks are lines of the notation throughout. Nothing here trains, or knows images.
"""
