"""A campaign against the project: processes killed, files broken, disks filled. `python -m tests.torture`."""
