"""What a topic or a file holds, from a sample: how its records map, how late they are, what to write in the config."""
