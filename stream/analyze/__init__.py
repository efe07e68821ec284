"""The same core over a closed set of records, in any order, with no server for state."""
