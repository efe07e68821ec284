"""Where the state of a log's partitions is kept: one atomic commit with the next offset."""
