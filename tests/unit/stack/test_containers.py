"""The compose file is pinned, closed to the outside, and fits what the stack asks of it."""

import re
from pathlib import Path

import pytest
import yaml

from stream.settings.load import load_tracker
from stream.stack import containers
from stream.stack.containers import COMPOSE_FILE, container_plan
from stream.stack.services import PORTS_NEEDED, write_prometheus

ROOT = COMPOSE_FILE.parent
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES = COMPOSE["services"]
FETCHED = {name: service["image"] for name, service in SERVICES.items() if "build" not in service}


def test_the_whole_set_is_described():
    expected = {"kafka", "topics", "redis", "worker-1", "worker-2", "page", "prometheus", "alertmanager", "grafana"}
    assert set(SERVICES) == expected


@pytest.mark.parametrize("image", sorted(set(FETCHED.values())))
def test_every_image_is_pinned_to_a_patch_release(image):
    assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+\.\d+(-[a-z]+)?", image)


def test_the_worker_image_stands_on_a_pinned_one():
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-\S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_every_port_is_published_on_loopback_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{FUNNEL_[A-Z]+_PORT:-\d+\}:\d+", port) for port in ports)


def test_every_lasting_service_has_a_health_check():
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["topics"]


def test_a_worker_counts_as_healthy_where_it_says_that_it_is_ready():
    served = re.findall(r'add_get\("(/\w+)"', (ROOT / "stream/worker/http.py").read_text())
    for name in ("worker-1", "worker-2"):
        assert SERVICES[name]["environment"]["FUNNEL_INSTANCE_ID"] == name
        [path] = re.findall(r"127\.0\.0\.1:9108(/\w+)", SERVICES[name]["healthcheck"]["test"][-1])
        assert path in served


def test_whoever_waits_for_health_waits_for_a_service_that_has_a_check():
    for service in SERVICES.values():
        for name, wish in service.get("depends_on", {}).items():
            has_check = "healthcheck" in SERVICES[name]
            assert has_check == (wish["condition"] == "service_healthy")


def test_every_mounted_path_of_the_project_exists_and_every_volume_is_declared():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source == "./grafana/dashboards":
                continue  # checked with the dashboards themselves
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_workers_tracker_file_is_valid_and_reachable_from_prometheus(tmp_path):
    path = tmp_path / "tracker.yaml"
    path.write_text(COMPOSE["configs"]["tracker"]["content"])
    settings = load_tracker(path, {})
    scrape = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    workers = [f"{name}:{settings.metrics.port}" for name in SERVICES if name.startswith("worker")]
    assert scrape["static_configs"][0]["targets"] == workers
    assert settings.metrics.host == "0.0.0.0"  # noqa: S104 - inside the container only
    assert settings.funnels == tmp_path / "config" / "funnels"


def test_the_workers_read_what_config_tracker_yaml_says():
    shipped = yaml.safe_load((ROOT / "config/tracker.yaml").read_text())
    assert yaml.safe_load(COMPOSE["configs"]["tracker"]["content"])["sources"] == shipped["sources"]


def test_the_topics_that_the_workers_use_are_created(tmp_path):
    path = tmp_path / "tracker.yaml"
    path.write_text(COMPOSE["configs"]["tracker"]["content"])
    settings = load_tracker(path, {})
    created = SERVICES["topics"]["command"][0]
    for topic in (settings.log_topic, settings.dead_letter_topic):
        assert f" {topic}" in created


def test_grafana_finds_prometheus_under_the_fixed_uid():
    source = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert (source["uid"], source["type"]) == ("funnel-prometheus", "prometheus")
    variable = re.fullmatch(r"\$\{(\w+)\}", source["url"]).group(1)
    assert SERVICES["grafana"]["environment"][variable] == "http://prometheus:9090"


def test_grafana_reads_the_dashboards_where_they_are_mounted():
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/funnel.yaml").read_text())["providers"][0]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


@pytest.mark.parametrize("service", sorted(PORTS_NEEDED))
def test_the_stack_starts_each_service_on_the_port_it_chose(tmp_path, service):
    write_prometheus(tmp_path, None, ())
    plan = container_plan(tmp_path, "demo", service, [20001])
    variable = f"FUNNEL_{service.upper()}_PORT"
    assert f"{variable}=20001" in plan.argv
    assert any(variable in port for port in SERVICES[service]["ports"])
    assert plan.argv[-1] == service
    assert plan.after[plan.after.index("down") :] == ["down", "--volumes", "--timeout", "0"]
    assert all(Path(plan.argv[at + 1]).exists() for at, word in enumerate(plan.argv) if word == "--file")


def test_prometheus_in_a_container_sees_what_listens_on_the_hosts_loopback(tmp_path):
    write_prometheus(tmp_path, None, ())
    plan = container_plan(tmp_path, "demo", "prometheus", [20001])
    override = yaml.safe_load(Path(plan.argv[plan.argv.index("up") - 1]).read_text())["services"]["prometheus"]
    assert override["network_mode"] == "host"
    assert {"--web.listen-address=127.0.0.1:20001", "--web.enable-remote-write-receiver"} <= set(override["command"])


def test_without_the_compose_file_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "COMPOSE_FILE", tmp_path / "docker-compose.yml")
    with pytest.raises(containers.StackError, match="use the project's checkout"):
        container_plan(tmp_path, "demo", "redis", [20001])
