"""A simulator that drives the real worker on virtual time, and lets it fail at every await.

Real: Faust's app, agent, stream and consumer service; our transport, reader, committer, tracker, partition and
engine; aiokafka's consumer with its fetcher, group coordinator and client, down to the connection.
Fake: what answers behind a connection (`broker`, `group`, `log`: one node that leads all partitions), Redis
(`store`: `stream.store.memory` behind delays and failures), the dead-letter topic, the HTTP server, and time (`loop`).
"""
