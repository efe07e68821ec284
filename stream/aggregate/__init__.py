"""Changes of single actors to counts: cells, rings of slots, rollups. Pure."""
