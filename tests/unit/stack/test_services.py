"""What the services are told: loopback only, nothing lost, nothing evicted."""

import base64
import re

import msgspec
import pytest
import yaml

from stream.errors import StackError
from stream.stack import services
from stream.stack.programs import Programs


def addresses_in(text):
    return set(re.findall(r"\d+\.\d+\.\d+\.\d+", text))


def test_kafka_listens_on_loopback_and_creates_no_topic_by_itself(tmp_path):
    text = services.kafka_properties(tmp_path, [20001, 20002])
    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["group.min.session.timeout.ms"] == "1000"
    assert addresses_in(text) == {"127.0.0.1"}


def test_redis_keeps_its_data_and_never_evicts(tmp_path):
    plan = services.redis_plan(tmp_path, [20001], Programs())
    lines = (tmp_path / "redis" / "redis.conf").read_text().splitlines()
    assert {"bind 127.0.0.1", "appendonly yes", "appendfsync everysec", 'save ""'} <= set(lines)
    assert "maxmemory-policy noeviction" in lines
    assert plan.address == "redis://127.0.0.1:20001"


def test_prometheus_scrapes_each_second_what_the_targets_file_names(tmp_path):
    (tmp_path / "a.yml").write_text("groups: []")
    services.write_prometheus(tmp_path, "http://127.0.0.1:20009", [tmp_path / "a.yml"])
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert config["global"]["scrape_interval"] == "1s"
    assert config["rule_files"] == ["rules/a.yml"]
    assert (tmp_path / "prometheus" / "rules" / "a.yml").read_text() == "groups: []"
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["127.0.0.1:20009"]
    assert config["scrape_configs"][0]["file_sd_configs"][0]["files"] == ["targets.json"]


def test_prometheus_takes_the_past_by_remote_write(tmp_path):
    services.write_prometheus(tmp_path, None, [])
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert config["storage"] == {"tsdb": {"out_of_order_time_window": "30d"}}
    assert "--web.enable-remote-write-receiver" in services.prometheus_plan(tmp_path, [20001], Programs()).argv


def test_a_rule_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StackError, match=r"nowhere\.yml cannot be read"):
        services.write_prometheus(tmp_path, None, [tmp_path / "nowhere.yml"])


def test_alertmanager_has_the_configuration_it_is_given_else_it_notifies_nobody(tmp_path):
    written = tmp_path / "alertmanager" / "alertmanager.yml"
    services.alertmanager_plan(tmp_path, [20001], Programs())
    assert yaml.safe_load(written.read_text()) == services.NOBODY
    (tmp_path / "own.yml").write_text("route: {receiver: me}")
    services.alertmanager_plan(tmp_path, [20001], Programs(), tmp_path / "own.yml")
    assert written.read_text() == "route: {receiver: me}"
    with pytest.raises(StackError, match=r"nowhere\.yml cannot be read"):
        services.alertmanager_plan(tmp_path, [20001], Programs(), tmp_path / "nowhere.yml")


def test_prometheus_looks_as_often_as_it_is_told(tmp_path):
    services.write_prometheus(tmp_path, None, [], scrape_seconds=5)
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert set(config["global"].values()) == {"5s"}


@pytest.mark.parametrize(
    ("targets", "groups"),
    [
        pytest.param(["127.0.0.1:1", "127.0.0.1:2"], [{"targets": ["127.0.0.1:1", "127.0.0.1:2"]}], id="two"),
        pytest.param([], [], id="none"),
    ],
)
def test_targets_replace_the_ones_before(tmp_path, targets, groups):
    services.write_targets(tmp_path, ["127.0.0.1:9"])
    services.write_targets(tmp_path, targets)
    assert msgspec.json.decode((tmp_path / "prometheus" / "targets.json").read_bytes()) == groups


def test_http_services_listen_on_loopback_only(tmp_path):
    for plan in (
        services.prometheus_plan(tmp_path, [20001], Programs()),
        services.alertmanager_plan(tmp_path, [20001], Programs()),
    ):
        listens = [word for word in plan.argv if "listen-address" in word]
        assert "--web.listen-address=127.0.0.1:20001" in listens
        assert all(word.endswith(("=", "127.0.0.1:20001")) for word in listens)


def test_a_cluster_id_is_16_bytes_and_no_option():
    for _ in range(200):
        text = services.cluster_id()
        assert len(base64.urlsafe_b64decode(text + "==")) == 16
        assert not text.startswith("-")
