"""C99 without dependencies, in float32 or in 8-bit integers, with its memory planned and measured."""
