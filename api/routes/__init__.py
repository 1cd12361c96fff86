"""One module per group of routes; each holds thin handlers only."""
