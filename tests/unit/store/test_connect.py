"""Settings reach the client, secrets stay out of texts, and nothing is repeated behind our back."""

import pytest
from redis.asyncio import RedisCluster

from stream.store.connect import RedisOptions, open_client


def test_secrets_are_not_in_the_text_of_the_options():
    options = RedisOptions("redis://user:in-url@127.0.0.1:1", password="in-field")  # noqa: S106 (made up for this test)
    assert "in-url" not in repr(options)
    assert "in-field" not in repr(options)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/3", "rediss://127.0.0.1:1", "unix:///tmp/redis.sock"])
def test_every_kind_of_connection_packs_in_c_and_repeats_nothing(url):
    pool = open_client(RedisOptions(url, username="u", timeout_s=3)).connection_pool
    connection = pool.make_connection()
    assert connection.pack_command("CONFIG GET", b"a\0b", 7) == [
        b"*4\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$3\r\na\0b\r\n$1\r\n7\r\n"
    ]
    assert connection.retry.get_retries() == 0
    assert (connection.username, connection.socket_timeout) == ("u", 3)


def test_options_win_over_the_url_and_an_option_left_out_keeps_it():
    client = open_client(RedisOptions("redis://user:old@127.0.0.1:1/3", password="new"))  # noqa: S106
    wanted = client.connection_pool.connection_kwargs
    assert (wanted["username"], wanted["password"], wanted["db"]) == ("user", "new", 3)


async def test_a_cluster_is_opened_by_any_of_its_nodes():
    client = open_client(RedisOptions("rediss://127.0.0.1:1", cluster=True, tls_ca_file="ca.pem"))
    assert isinstance(client, RedisCluster)
    assert client.connection_kwargs["ssl_ca_certs"] == "ca.pem"
    assert client.retry.get_retries() == 0


def test_a_url_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="redis://"):
        open_client(RedisOptions("http://127.0.0.1"))
