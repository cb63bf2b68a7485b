"""Checks the Kubernetes manifests against the Kubernetes schemas, and their configuration with bearerd."""

import os
import subprocess

from harness import ROOT, VENV, World, plain_environment

SET = "real"
NEEDS: list[str] = []

K8S = ROOT / "deploy/k8s"


def run(world: World, check) -> None:
    with check("the deployment is valid for Kubernetes, without unknown keys"):
        passes([VENV / "bin/kubernetes-validate", "--strict", K8S / "deployment.yaml"])
    with check("the pod's configuration has no problem"):
        secrets = world.directory / "younium"
        secrets.mkdir()
        for name in ["client_id", "client_secret"]:
            (secrets / name).write_text("something\n")
        config = world.directory / "pod.toml"
        config.write_text((K8S / "bearerd.toml").read_text().replace("/run/secrets/younium", str(secrets)))
        passes([os.environ["BEARERD_BIN"], "check", "--config", config])


def passes(command: list) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr
