"""The functions that `issun` offers and that combine several rooms, one a file: each does what the command of its name does.

What a command prints with ``--json`` is the ``as_dict()`` of what its function returns. Names stand in `issun` itself, not here: a package
that named them too would have them replaced by its modules.
"""
