"""The live worker: Kafka's batches in, one commit per batch out, whoever owns a partition."""
