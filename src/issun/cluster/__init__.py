"""Training on many machines by Dask distributed: images once a machine, trials as tasks, results as plain records."""
