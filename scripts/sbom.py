#!/usr/bin/env python3
"""What the program is made of, as a CycloneDX 1.5 document (JSON) on standard output.

    scripts/sbom.py > quire.cdx.json

Crates that are linked into the Linux program, as `cargo metadata` resolves them, with the checksums of
Cargo.lock; crates that only its build runs are marked `excluded`, those of tests are left out. Models with
the checksums that quire checks. The same sources give the same bytes. Packages of the system, which the
program needs besides (Tesseract, Leptonica, OpenSSL), are what dpkg says where it is installed.
"""

import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def kinds(dependency):
    """None is a normal dependency, else `build` or `dev`."""
    return {kind["kind"] for kind in dependency["dep_kinds"]}


def reach(nodes, root, packages):
    """Ids by whether they are in the program (True), or only run while it is built (False)."""
    found, waiting = {}, [(root, True)]
    while waiting:
        id, linked = waiting.pop()
        linked = linked and not any("proc-macro" in target["kind"] for target in packages[id]["targets"])
        # Once more only where what was only run is linked, too.
        if id in found and (found[id] or not linked):
            continue
        found[id] = linked
        for dependency in nodes[id]["deps"]:
            if kinds(dependency) != {"dev"}:
                waiting.append((dependency["pkg"], linked and None in kinds(dependency)))
    return found


def crate(package, linked, checksums):
    purl = f"pkg:cargo/{package['name']}@{package['version']}"
    component = {
        "type": "library",
        "bom-ref": purl,
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if linked else "excluded",
        "purl": purl,
    }
    if checksum := checksums.get((package["name"], package["version"])):
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["license"]:
        # Old packages write a slash for `or`.
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return component


def model(manifest):
    component = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{manifest['name']}",
        "name": manifest["name"],
        "description": manifest["description"],
        "licenses": [{"expression": manifest["licence"]}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"model:{manifest['name']}/{file['path']}",
                "name": file["path"],
                "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
            }
            for file in manifest["files"]
        ],
    }
    if manifest["attribution"]:
        component["copyright"] = manifest["attribution"]
    return component


def main():
    resolved = metadata()
    packages = {package["id"]: package for package in resolved["packages"]}
    nodes = {node["id"]: node for node in resolved["resolve"]["nodes"]}
    root = resolved["resolve"]["root"]
    found = reach(nodes, root, packages)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(p["name"], p["version"]): p["checksum"] for p in lock if "checksum" in p}
    own = crate(packages[root], True, checksums) | {"type": "application"}
    del own["scope"]
    crates = [crate(packages[id], linked, checksums) for id, linked in found.items() if id != root]
    models = [model(tomllib.loads(file.read_text())) for file in (ROOT / "models").glob("*.toml")]
    refs = {id: f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}" for id in found}
    dependencies = [
        {
            "ref": refs[id],
            "dependsOn": sorted({refs[d["pkg"]] for d in nodes[id]["deps"] if kinds(d) != {"dev"}}),
        }
        for id in found
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": sorted(crates + models, key=lambda component: component["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda dependency: dependency["ref"]),
    }
    # A serial number that only another content changes.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    document["serialNumber"] = f"urn:uuid:{serial}"
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
