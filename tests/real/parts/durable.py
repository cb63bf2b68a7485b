"""The file store under strace: a grant is on the disk before it is used."""

import re
import subprocess

from harness import Bearerd, World, eventually

SET = "debian"
NEEDS = ["node", "strace"]
APT = ["strace"]
CALLS = "openat,write,fsync,fdatasync,rename,renameat,renameat2,close"


def run(world: World, check) -> None:
    if subprocess.run(["strace", "-qo", "/dev/null", "true"], capture_output=True).returncode:
        check.missing("durable", "strace may not trace here")
        return
    directory, trace = world.directory / "store", world.directory / "store.trace"
    _, table = world.upstream("durable", "oauth2", world.LASTING)
    store = f'[store]\nkind = "file"\npath = "{directory}"\n'
    proxy = Bearerd(world, store + table, within=["strace", "-D", "-f", "-q", "-y", "-e", f"trace={CALLS}", "-o", trace])
    proxy.stop()

    def calls() -> list[str]:
        return [call for call in whole(trace.read_text(errors="replace")) if str(directory) in call]

    with check("file store: a token is written aside, synced, renamed, and its directory synced, in this order"):
        # strace ends a moment after the process that it traces.
        eventually("so it was", lambda: in_order(directory, calls()), 5)
        for step in ["sync(", "rename"]:
            assert not in_order(directory, [call for call in calls() if step not in call]), f"passes without {step}"
    with check("file store: only the user may read it"):
        kept = list(directory.iterdir())
        assert directory.stat().st_mode & 0o077 == 0 and kept, kept
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in kept), kept
    with check("file store: the next start finds the token, and asks for none"):
        asked = world.oauth.token_requests(client=world.LASTING["client_id"])
        again = Bearerd(world, store + table)
        eventually("the token is there", lambda: again.metric("bearerd_token_state", state="fresh") == 1)
        assert again.metric("bearerd_token_requests_total") == 0, "it logged in again"
        assert world.oauth.token_requests(client=world.LASTING["client_id"]) == asked
        again.stop()


def whole(trace: str) -> list[str]:
    """The system calls in the order of completion. strace writes an interrupted call in two pieces."""
    calls, begun = [], {}
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
        elif resumed := re.match(r"\s*<\.\.\. \w+ resumed>", call):
            calls.append(begun.pop(thread, "") + call[resumed.end() :])
        else:
            calls.append(call)
    return calls


def in_order(directory, calls: list[str]) -> bool:
    """Whether a file was written, synced and renamed, and the directory synced afterwards."""
    wanted = [
        rf"write\(\d+<{directory}/(?P<aside>[^>]+)>",
        r"f(data)?sync\(\d+<{directory}/{aside}>\)\s+= 0",
        r"rename(at2?)?\(.*{aside}\".*\)\s+= 0",
        r"f(data)?sync\(\d+<{directory}>\)\s+= 0",
    ]
    aside, at = None, 0
    for call in calls:
        pattern = wanted[at].replace("{directory}", re.escape(str(directory))).replace("{aside}", re.escape(aside or ""))
        found = re.search(pattern, call)
        if found:
            aside = aside or found["aside"]
            at += 1
            if at == len(wanted):
                return True
    return False
