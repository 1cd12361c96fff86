"""The moves of a task that more than one kind of process makes, on the stores and ports alone."""
