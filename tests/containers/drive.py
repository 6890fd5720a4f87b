"""Tests the services of docker-compose.yml from outside: whole sign-ins through the balancer, while replicas are killed
and stopped and Redis is restarted. Also inspects the image and the containers.

    drive.py COMPOSE...     such as `drive.py docker compose`, in the root of the repository
"""

import collections
import http.client
import io
import json
import os
import re
import subprocess
import tarfile
import threading
import time

from harness import (
    Background, Client, PROMETHEUS, REPLICAS, compose, containers, elsewhere, healthy, inspect, logs, run,
    run_both, sign_in, until,
)

# --- The checks ------------------------------------------------------------------------------------------------------


def the_image_is_small_and_contains_only_what_linkgate_needs():
    size = inspect("linkgate")["Size"]
    assert size < 40_000_000, f"{size} bytes"
    container = run("docker", "create", "linkgate").strip()
    archive = subprocess.run(["docker", "export", container], capture_output=True, check=True, timeout=60).stdout
    run("docker", "rm", container)
    files = [member.name for member in tarfile.open(fileobj=io.BytesIO(archive)) if not member.isdir()]
    # The engine adds these files to every container.
    made = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"}
    ours = {"usr/local/bin/linkgate", "etc/ssl/certs/ca-certificates.crt"}
    assert ours <= set(files) and "usr/share/zoneinfo/Europe/Berlin" in files, files[:20]
    other = [name for name in files if name not in made | ours and not name.startswith("usr/share/zoneinfo/")]
    assert not other, other
    config = inspect("linkgate")["Config"]
    assert config["User"] == "65532:65532" and config["Healthcheck"]["Test"][-1] == "healthcheck", config
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["title"] == "linkgate" and labels["licenses"] == "MIT", labels
    assert (labels["version"], labels["revision"]) == ("1.2.3-test", "0123abcd"), "labels differ from build arguments"
    return f"{size:,} bytes"


def containers_run_with_least_privilege():
    seen = 0
    for container in run(*compose, "ps", "--all", "--quiet").split():
        info = inspect(container)
        host, service = info["HostConfig"], info["Config"]["Labels"]["com.docker.compose.service"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        if service != "secrets":
            assert info["Config"]["User"] == "65532:65532", service
        if service == "linkgate":
            assert host["Memory"] == 64 << 20 and not info["State"]["OOMKilled"]
            seen += 1
        published = {binding["HostIp"] for bindings in (host["PortBindings"] or {}).values() for binding in bindings}
        assert published == ({"127.0.0.1"} if service in ("balancer", "mail") else set()), (service, published)
    assert seen == REPLICAS, f"{seen} replicas"


def redis_requires_a_password_and_the_balancer_cannot_reach_it():
    (redis,), (balancer,) = containers("redis"), containers("balancer")
    assert "NOAUTH" in run_both("docker", "exec", redis, "redis-cli", "ping"), "Redis requires no password"
    resolves = lambda name: bool(run_both("docker", "exec", balancer, "getent", "hosts", name))
    assert resolves("linkgate") and not resolves("redis"), "the balancer can reach Redis"
    settings = run("docker", "exec", redis, "sh", "-c",
                   "REDISCLI_AUTH=$(cat /run/secrets/password) redis-cli config get 'append*' 'maxmemory*'")
    settings = settings.split()
    for name, value in (("appendonly", "yes"), ("maxmemory-policy", "noeviction")):
        assert settings[settings.index(name) + 1] == value, name


def no_secret_leaks():
    """Neither in `docker inspect` nor in the logs."""
    (redis,) = containers("redis")
    password = run("docker", "exec", redis, "cat", "/run/secrets/password").strip()
    volume = next(mount["Name"] for mount in inspect(containers("linkgate")[0])["Mounts"])
    image = inspect(redis)["Config"]["Image"]
    read = ["run", "--rm", "--volume", f"{volume}:/secrets:ro", "--entrypoint", "cat", image, "/secrets/keys"]
    key = run("docker", *read).strip().removeprefix("first:")
    assert len(password) == 32 and len(key) == 43
    everything = run("docker", "inspect", *run("docker", "ps", "-aq").split())
    everything += "".join(logs(service) for service in ("balancer", "linkgate", "mail", "redis", "secrets"))
    assert "LINKGATE_KEYS_FILE" in everything and "linkgate serves on" in everything, "looked in the wrong place"
    assert password not in everything and key not in everything


def the_configuration_is_valid():
    said = run(*compose, "run", "--rm", "--no-deps", "-T", "linkgate", "check-config")
    assert said.startswith("configuration is valid"), said
    return " ".join(said.split("\n", 1)[1].split()) or "no warnings"


def a_whole_sign_in_succeeds():
    sign_in()


def the_balancer_does_not_cut_off_long_polls_and_event_streams():
    """A poll with the longest wait, and a stream over two heartbeats, both without a change."""
    poll, stream = Client().start(), Client().start()
    polled = []

    def wait():
        begun = time.monotonic()
        polled.append((poll.wait(30)["status"], time.monotonic() - begun))

    waiter = threading.Thread(target=wait)
    waiter.start()
    events = stream.client.open("GET", f"{stream.path}/events", **stream.auth)
    assert events.status == 200 and events.headers["Content-Type"] == "text/event-stream", events.status
    beats = 0
    while beats < 2:
        line = events.readline().decode()
        assert line, "the stream ended"
        beats += line.startswith(":")
    stream.confirm()
    confirmed = time.monotonic()
    while '"verified"' not in line:
        line = events.readline().decode()
        assert line, "the stream ended before the result"
    took = time.monotonic() - confirmed
    assert took < 5, f"the event came {took:.1f} s after the confirmation"
    waiter.join(60)
    ((status, seconds),) = polled
    assert status == "pending" and seconds > 25, polled
    return f"the event came {took * 1000:.0f} ms after the confirmation"


def linkgate_sees_the_address_of_the_client():
    """linkgate uses the client address that the balancer reports, and no X-Forwarded-For that a client sends."""
    def opener(requester, other, **headers):
        return other.ask("GET", requester.start().link(), **headers)["opener"]

    one, two = elsewhere(), elsewhere()
    neighbour = Client(one.source)
    assert opener(one, neighbour) == "same_network"
    assert opener(one, two) == "other_network"
    assert opener(one, two, X_Forwarded_For=one.source) == "other_network", "X-Forwarded-For was believed"


def sign_ins_succeed_while_a_replica_is_dead():
    victim = containers("linkgate")[0]
    run("docker", "kill", victim)
    for _ in range(6):
        sign_in(elsewhere())
    run("docker", "start", victim)
    until("the replica is back", lambda: healthy(victim))


def stopping_a_replica_fails_no_request():
    victim = containers("linkgate")[1]
    not_ready = lambda: logs("balancer").count("is DOWN, reason: Layer7 wrong status, code: 503")
    before = not_ready()
    with Background() as meanwhile:
        run("docker", "stop", "--time", "45", victim)
        assert inspect(victim)["State"]["ExitCode"] == 0, "the replica exited with an error"
        assert not_ready() > before, "the balancer did not notice that the replica was stopping"
        run("docker", "start", victim)
        until("the replica is back", lambda: healthy(victim))
    return f"{meanwhile.count} sign-ins meanwhile"


def sessions_survive_a_restart_of_redis():
    client, kept = sign_in(elsewhere())
    other, ended = sign_in(elsewhere())
    renew = lambda who, session, want: who.ask(
        "POST", "/v1/session/token", {"renewal_token": session["renewal_token"]}, want=want)
    other.ask("DELETE", "/v1/session", {"renewal_token": ended["renewal_token"]}, want=204)
    renew(other, ended, 401)
    (redis,) = containers("redis")
    run("docker", "restart", redis)
    until("Redis is back", lambda: healthy(redis))
    until("linkgate has reconnected", lambda: signs_in(), 30)
    for _ in range(3):
        sign_in(elsewhere())
    renew(client, kept, 200)
    renew(other, ended, 401)


def signs_in():
    try:
        return sign_in(elsewhere())
    except AssertionError:
        return None


def all_replicas_served_and_the_balancer_logs_no_path():
    lines = [line for line in logs("balancer").splitlines() if re.search(r" (GET|POST) \d{3} ", line)]
    assert len(lines) > 50, f"{len(lines)} lines"
    by_replica = collections.Counter(re.search(r" (\S+) retries:", line)[1] for line in lines)
    assert sum(name.startswith("linkgate-") for name in by_replica) >= REPLICAS, by_replica
    for line in logs("balancer").splitlines():
        assert not re.search(r"/v1|/v/|wait=|\.well-known|eyJ|att_", line), line
        assert not re.search(r"198\.1\d\.\d+\.7", line), f"an unmasked address: {line}"
    some = re.search(r"([0-9a-f-]{36})$", lines[-1])[1]
    assert some in logs("linkgate"), "a request id of the balancer's log is missing from linkgate's"
    return ", ".join(f"{name}: {count}" for name, count in sorted(by_replica.items()))


def prometheus_scrapes_all_replicas():
    if not os.path.exists("deploy/monitoring/prometheus/alerts.yaml"):
        return "skipped: this tree has no rules"
    run(*compose, "--profile", "monitoring", "up", "--detach", "prometheus")

    def ask(path):
        try:
            connection = http.client.HTTPConnection(PROMETHEUS, timeout=5)
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())["data"]
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def up():
        targets = ask("/api/v1/targets").get("activeTargets", [])
        return sum(t["labels"]["job"] == "linkgate" and t["health"] == "up" for t in targets) == REPLICAS

    until("all replicas are scraped", up)
    groups = ask("/api/v1/rules")["groups"]
    assert groups, "no rules"
    return f"{sum(len(group['rules']) for group in groups)} rules"


STEPS = [
    the_image_is_small_and_contains_only_what_linkgate_needs,
    the_configuration_is_valid,
    a_whole_sign_in_succeeds,
    containers_run_with_least_privilege,
    redis_requires_a_password_and_the_balancer_cannot_reach_it,
    the_balancer_does_not_cut_off_long_polls_and_event_streams,
    linkgate_sees_the_address_of_the_client,
    sign_ins_succeed_while_a_replica_is_dead,
    stopping_a_replica_fails_no_request,
    sessions_survive_a_restart_of_redis,
    all_replicas_served_and_the_balancer_logs_no_path,
    no_secret_leaks,
    prometheus_scrapes_all_replicas,
]

for step in STEPS:
    begun = time.monotonic()
    said = step()
    name = step.__name__.replace("_", " ")
    print(f"ok  {time.monotonic() - begun:5.1f} s  {name}{f' ({said})' if said else ''}", flush=True)
memory = run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *containers("linkgate"))
print("memory of the replicas:", ", ".join(memory.split("\n")).strip(", "))
