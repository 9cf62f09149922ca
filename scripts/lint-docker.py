#!/usr/bin/env python3
"""Checks docker/ as far as that goes without a container engine or a cluster.

Files parse; images are pinned; what is copied and mounted exists; nothing runs as root; every setting
that is named is one; programs that are started are there; references between manifests hold. Prints what is
wrong, and fails if anything is.
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
problems = []


def wrong(file, what):
    problems.append(f"{file.relative_to(ROOT)}: {what}")


def settings():
    """Known settings as section.key."""
    section, known = "", set()
    for line in (ROOT / "src/default.toml").read_text().splitlines():
        if found := re.match(r"\[(\w+)\]", line):
            section = found[1]
        elif found := re.match(r"(\w+) = ", line):
            known.add(f"{section}.{found[1]}")
    return known


KNOWN = settings()
# Those whose values are never shown.
SECRETS = re.findall(r'"(\w+\.\w+)"', re.search(
    r"const SECRETS:.*?;\n", (ROOT / "src/config/secrets.rs").read_text(), re.S)[0])


def check_variable(file, name, value=None, secrets=None):
    """A variable of quire and, in containers, its value; `secrets` are the paths of files with secrets there."""
    if not name.startswith("QUIRE_") or "__" not in name:
        return
    key = name.removeprefix("QUIRE_").lower().replace("__", ".", 1)
    if key in SECRETS and secrets is not None:
        wrong(file, f"{name} hands a secret over in the environment; {name}_FILE names a file")
    elif key.removesuffix("_file") in SECRETS and key not in SECRETS:
        if secrets is not None and not any(value.startswith(path) for path in secrets):
            wrong(file, f"{name} names {value}, where no secret is mounted")
    elif key not in KNOWN:
        wrong(file, f"{name} is no setting")


def check_toml(file, text):
    import tomllib

    for section, values in tomllib.loads(text).items():
        for key in values:
            if f"{section}.{key}" not in KNOWN:
                wrong(file, f"{section}.{key} is no setting")


def check_image(file, image):
    name, _, tag = image.rpartition(":")
    if not name or tag in ("latest", ""):
        wrong(file, f"the image {image} is not pinned")
    elif name == "quire" and f"image: {image}\n" not in (DOCKER / "compose.yaml").read_text():
        wrong(file, f"nothing builds the image {image}")


def dockerfile(file):
    user, stages, lines = None, set(), file.read_text().replace("\\\n", " ").splitlines()
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            image = rest.split()[0]
            if image not in stages:
                check_image(file, image)
            if " AS " in rest:
                stages.add(rest.split(" AS ")[1].strip())
            user = None
        elif word == "USER":
            user = rest.strip()
        elif word == "ADD":
            wrong(file, "ADD may fetch or unpack; COPY does neither")
        elif word == "COPY" and "--from=" not in rest:
            for source in [part for part in rest.split() if not part.startswith("--")][:-1]:
                if not (ROOT / source).exists():
                    wrong(file, f"{source} is copied and does not exist")
        elif word == "COPY" and (stage := re.search(r"--from=(\S+)", rest)) and stage[1] not in stages:
            wrong(file, f"there is no stage {stage[1]}")
        elif word == "RUN" and "apt-get install" in rest:
            if not re.search(r"update && apt-get install -y ", rest):
                wrong(file, "apt-get installs by an old list, or asks")
            if "--no-install-recommends" not in rest or "rm -rf /var/lib/apt/lists" not in rest:
                wrong(file, "apt-get installs more than it needs or leaves its lists")
        elif word == "RUN" and ("| " in rest or re.search(r"\b(sudo|curl|wget|cd) ", rest)):
            wrong(file, "a step hides failures of a pipe, or does what COPY, USER or WORKDIR are for")
        elif word == "RUN" and "pip install" in rest and "--no-cache-dir" not in rest:
            wrong(file, "pip leaves its cache")
        elif word == "WORKDIR" and not rest.startswith("/"):
            wrong(file, f"WORKDIR {rest} depends on the one before")
        elif word == "ENV":
            for name in re.findall(r"(\w+)=", rest):
                check_variable(file, name)
        elif word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
            wrong(file, f"{word} goes through a shell, which keeps signals for itself")
    if user in (None, "root", "0"):
        wrong(file, "it runs as root")
    if not any(re.match(r"COPY --from=\S+ \S*quire\.cdx\.json ", line) for line in lines):
        wrong(file, "the image does not say what it is made of")
    if not any(line.startswith("HEALTHCHECK") for line in lines):
        wrong(file, "there is no health check")


def compose(file):
    doc = yaml.safe_load(file.read_text())
    if (file.parent.parent / ".dockerignore").exists():
        left_out = (file.parent.parent / ".dockerignore").read_text().split()
        for folder in ("/target", "/data", "/.git"):
            if folder not in left_out:
                wrong(file, f".dockerignore lets {folder} into every build")
    else:
        wrong(file, "there is no .dockerignore: builds would take data/ in")
    volumes = set(doc.get("volumes", {}))
    for name, service in doc["services"].items():
        check_image(file, service["image"])
        if service["image"].startswith("quire:") and "run" in str(service.get("command", "run")):
            check_stop(file, int(str(service.get("stop_grace_period", "10s")).rstrip("s")))
        secrets = service.get("secrets", [])
        for variable, value in service.get("environment", {}).items():
            check_variable(file, variable, value, [f"/run/secrets/{secret}" for secret in secrets])
        for secret in secrets:
            if secret not in doc.get("secrets", {}):
                wrong(file, f"{name} uses the secret {secret}, which is not there")
        for other in service.get("depends_on", {}):
            if other not in doc["services"]:
                wrong(file, f"{name} waits for {other}, which is not there")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (file.parent / source).exists():
                    wrong(file, f"{name} mounts {source}, which does not exist")
            elif source not in volumes:
                wrong(file, f"{name} uses the volume {source}, which is not there")
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                wrong(file, f"{name} opens {port} to the network")
        build = service.get("build", {})
        if build and not (file.parent / build["context"] / build["dockerfile"]).exists():
            wrong(file, f"{name} is built from {build['dockerfile']}, which does not exist")


def commands():
    """Commands of the program, from its source."""
    text = (ROOT / "src/cli.rs").read_text()
    body = text.split("enum Command {")[1].split("\n}")[0]
    names = re.findall(r"^    ([A-Z]\w+)", body, re.M)
    return {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in names}


def pod(file, name, spec):
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        wrong(file, f"{name} may run as root")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for container in spec.get("initContainers", []) + spec["containers"]:
        check_image(file, container["image"])
        sealed = container.get("securityContext", {})
        if not sealed.get("readOnlyRootFilesystem") or sealed.get("allowPrivilegeEscalation") is not False:
            wrong(file, f"{container['name']} may write to its image or gain rights")
        if sealed.get("capabilities", {}).get("drop") != ["ALL"]:
            wrong(file, f"{container['name']} keeps capabilities")
        if "limits" not in container.get("resources", {}):
            wrong(file, f"{container['name']} has no limits")
        words = [word for word in container.get("args", []) if not word.startswith(("-", "/"))]
        if words and words[0] not in commands():
            wrong(file, f"quire has no command {words[0]}")
        secret = {volume["name"] for volume in spec.get("volumes", []) if "secret" in volume}
        mounts = container.get("volumeMounts", [])
        paths = [f"{mount['mountPath']}/" for mount in mounts if mount["name"] in secret]
        for variable in container.get("env", []):
            check_variable(file, variable["name"], variable.get("value", ""), paths)
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes and mount["name"] != "data":
                wrong(file, f"{container['name']} mounts {mount['name']}, which is not there")
    for container in spec["containers"]:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = container.get(probe, {}).get("httpGet", {}).get("path")
            if path is None or f'"{path}"' not in (ROOT / "src/serve/routes.rs").read_text():
                wrong(file, f"{container['name']}: {probe} asks {path}, which is no route")


def manifests(folder):
    """Every manifest of a folder, with its file."""
    files = sorted(folder.glob("*.yaml"))
    return [(file, doc) for file in files for doc in yaml.safe_load_all(file.read_text()) if doc]


def selects(labels, selector):
    return bool(selector) and selector.items() <= labels.items()


def ports_needed(config):
    """Ports of what the settings name."""
    addresses = [config["kafka"]["brokers"], config["qdrant"]["url"], "x:6333", "x:4317"]
    return {int(address.rsplit(":", 1)[1]) for address in addresses}


def pool(file, doc, of_kind):
    """A set of workers and what belongs to it: `of_kind` gives the manifests of a kind in the same folder."""
    import tomllib

    name, template = f"{doc['kind']} {doc['metadata']['name']}", doc["spec"]["template"]
    labels, spec = template["metadata"]["labels"], template["spec"]
    pod(file, name, spec)
    if not selects(labels, doc["spec"]["selector"]["matchLabels"]):
        wrong(file, f"{name} selects others than it makes")
    for other in of_kind("StatefulSet"):
        if other != doc and selects(labels, other["spec"]["selector"]["matchLabels"]):
            wrong(file, f"{name} makes what {other['metadata']['name']} takes for its own")
    budgets = [b for b in of_kind("PodDisruptionBudget") if selects(labels, b["spec"]["selector"]["matchLabels"])]
    if len(budgets) != 1:
        wrong(file, f"{name} has {len(budgets)} disruption budgets")
    if not any(selects(labels, service["spec"]["selector"]) for service in of_kind("Service")):
        wrong(file, f"{name} has no service")
    policies = [p for p in of_kind("NetworkPolicy") if selects(labels, p["spec"]["podSelector"].get("matchLabels"))]
    open_ports = {port["port"] for p in policies for rule in p["spec"]["egress"] for port in rule["ports"]}
    scaled = [s for s in of_kind("ScaledObject") if s["spec"]["scaleTargetRef"]["name"] == doc["metadata"]["name"]]
    if len(scaled) != 1:
        wrong(file, f"{name} is scaled by {len(scaled)}")
    if spec.get("serviceAccountName") not in [a["metadata"]["name"] for a in of_kind("ServiceAccount")]:
        wrong(file, f"{name} has an account that is not there")
    configs = {c["metadata"]["name"]: c["data"] for c in of_kind("ConfigMap")}
    for wanted in [v["configMap"]["name"] for v in spec.get("volumes", []) if "configMap" in v]:
        if wanted not in configs:
            wrong(file, f"{name} mounts the settings {wanted}, which are not there")
        for text in configs.get(wanted, {}).values():
            config = tomllib.loads(text)
            check_stop(file, spec.get("terminationGracePeriodSeconds", 30), config["shutdown"]["drain_s"])
            for port in sorted(ports_needed(config) - open_ports):
                wrong(file, f"{name} may not reach port {port}")
            workers = sum(s["spec"]["maxReplicaCount"] for s in of_kind("ScaledObject"))
            if workers > config["kafka"]["partitions"]:
                wrong(file, f"{workers} workers are more than there are partitions")


def gpu(file, name, spec):
    """Who has a GPU asks for it, may go where GPUs are and takes nothing less; nobody else does."""
    for container in spec["containers"]:
        asked = container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu")
        devices = [v.get("value") for v in container.get("env", []) if v["name"] == "QUIRE_INFER__DEVICE"]
        tolerated = any(t.get("key") == "nvidia.com/gpu" for t in spec.get("tolerations", []))
        if not (container["image"].endswith("cuda") == (asked == 1) == (devices == ["gpu"]) == tolerated):
            wrong(file, f"{name}: image, GPUs asked for, infer.device and tolerations do not fit together")


def kubernetes(file):
    every = manifests(file.parent)
    of_kind = lambda kind: [doc for _, doc in every if doc["kind"] == kind]
    for doc in [doc for where, doc in every if where == file]:
        for key in ("apiVersion", "kind", "metadata"):
            if key not in doc:
                wrong(file, f"a manifest lacks {key}")
        name = f"{doc['kind']} {doc['metadata']['name']}"
        if doc["kind"] in ("StatefulSet", "Deployment"):
            pool(file, doc, of_kind)
            gpu(file, name, doc["spec"]["template"]["spec"])
        if doc["kind"] == "ConfigMap":
            for text in doc["data"].values():
                check_toml(file, text)
        if doc["kind"] == "PodMonitor":
            for pods in [d["spec"]["template"] for k in ("StatefulSet", "Deployment") for d in of_kind(k)]:
                if not selects(pods["metadata"]["labels"], doc["spec"]["selector"]["matchLabels"]):
                    wrong(file, f"{name} leaves workers out")
        if doc["kind"] == "ScaledObject":
            target = doc["spec"]["scaleTargetRef"]
            if target["name"] not in [d["metadata"]["name"] for d in of_kind(target["kind"])]:
                wrong(file, f"{name} scales what is not there")
            for trigger in doc["spec"]["triggers"]:
                if "quire_lag_seconds" not in trigger["metadata"]["query"]:
                    wrong(file, f"{name} is scaled by another signal than the work that waits")


def check_stop(file, seconds, drain=None):
    """A worker drains, and then ends what it answers: README.md, "Stopping in time"."""
    import tomllib

    if drain is None:
        drain = tomllib.loads((ROOT / "src/default.toml").read_text())["shutdown"]["drain_s"]
    if seconds < drain + 30:
        wrong(file, f"a worker is killed after {seconds} s, before it has drained")


def unit(file):
    text = file.read_text()
    check_stop(file, int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1]))
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0077", "CapabilityBoundingSet=", "StateDirectoryMode=0700"):
        if line not in text.splitlines():
            wrong(file, f"it lacks {line}")
    # Its children are sealed by these; systemd's groups have the first, and none of the rest.
    for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        if not re.search(rf"^SystemCallFilter=@.*\b{call}\b", text, re.M):
            wrong(file, f"it forbids {call}, which the sandbox needs")
    for name in re.findall(r"Environment=(\w+)=", text):
        check_variable(file, name)
    command = re.search(r"ExecStart=\S+ (.*)", text)[1].split()
    if command[-1] not in commands():
        wrong(file, f"quire has no command {command[-1]}")


def main():
    for file in sorted(DOCKER.glob("*.Dockerfile")):
        dockerfile(file)
    for file in sorted(DOCKER.rglob("*")):
        try:
            if file.name == "compose.yaml":
                compose(file)
            elif file.parent.name == "kubernetes":
                kubernetes(file)
            elif file.suffix in (".yaml", ".yml"):
                yaml.safe_load(file.read_text())
            elif file.suffix == ".json":
                json.loads(file.read_text())
            elif file.suffix == ".service":
                unit(file)
            elif file.suffix == ".toml":
                check_toml(file, file.read_text())
        except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
            wrong(file, f"cannot be read: {error!r}")
    print("\n".join(problems) or "docker/ is as it should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
