"""Mutation testing: faults put into a copy of the sources, each of which some test must notice. See `__main__`."""
