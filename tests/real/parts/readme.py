"""Checks the README: its configurations have no problem, its commands exist, and the links of every page lead to a file."""

import os
import re
import subprocess

from harness import ROOT, World, plain_environment

SET = "real"
NEEDS: list[str] = []

PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
COMMANDS = "demo run check flows wait".split()
CREDENTIALS = {"YOUNIUM_CLIENT_ID": "someone", "YOUNIUM_CLIENT_SECRET": "something"}


def run(world: World, check) -> None:
    readme = (ROOT / "README.md").read_text()
    secret = world.directory / "readme.secret"
    secret.write_text("something\n")
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", readme, re.S | re.M), 1):
        with check(f"configuration {number} of the README has no problem"):
            config = world.directory / "readme.toml"
            config.write_text(re.sub(r'file = "[^"]+"', f'file = "{secret}"', block))
            bearerd("check", "--config", str(config))
    with check("every command of the README exists"):
        for command in COMMANDS:
            assert re.search(rf"`{command}\b|bearerd {command}\b", readme), f"the README does not name `{command}`"
            bearerd(command, "--help")
    for page in PAGES:
        with check(f"every link of {page} leads to a file"):
            links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / page).read_text())
            broken = [link for link in links if not (ROOT / link).exists()]
            assert not broken, broken


def bearerd(*arguments: str) -> None:
    command = [os.environ["BEARERD_BIN"], *arguments]
    environment = plain_environment() | CREDENTIALS
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, env=environment)
    assert done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
