"""Steady load over many token lifetimes: neither callers nor the API notice renewals."""

import threading
import time

from harness import TOKEN_LIFE, Bearerd, World, session

SET = "real"
NEEDS = ["node"]

LIVES = 7
THREADS = 5
PAUSE = 0.1  # each thread: at most ten calls a second


def run(world: World, check) -> None:
    url, table = world.upstream("steady", "oauth2", world.LOAD)
    proxy = Bearerd(world, table)
    refused = world.api.refused()
    asked = world.oauth.token_requests(client=world.LOAD["client_id"])
    waits = proxy.metric("bearerd_token_waits_total")
    seconds = LIVES * TOKEN_LIFE
    answers = load(url, seconds)
    with check(f"{LIVES} token lives of steady load: every answer is a 200"):
        others = {status: count for status, count in answers.items() if status != 200}
        assert answers[200] > seconds * THREADS and not others, f"{answers}"
    with check("the API was never sent a token that it refuses, and nothing was repeated"):
        assert world.api.refused() == refused, f"{world.api.refused() - refused} calls were refused"
        assert proxy.metric("bearerd_replays_total") == 0
    with check("no request waited for a token request"):
        assert proxy.metric("bearerd_token_waits_total") == waits
    with check("one token request per renewal, each between 65 and 75 % of the life"):
        renewals = world.oauth.token_requests(client=world.LOAD["client_id"]) - asked
        fewest, most = int(seconds / (0.75 * TOKEN_LIFE)) - 1, int(seconds / (0.65 * TOKEN_LIFE)) + 1
        assert fewest <= renewals <= most, f"{renewals} renewals, {fewest} to {most} were due"
        counted = proxy.metric("bearerd_token_requests_total", upstream="steady", outcome="ok")
        assert counted >= renewals, f"the metric says {counted}"
    proxy.stop()


def load(url: str, seconds: float) -> dict:
    """Makes calls from several threads for this time, and counts each status or exception."""
    answers: dict = {200: 0}
    end = time.monotonic() + seconds

    def caller():
        client = session()
        while time.monotonic() < end:
            try:
                status = client.get(f"{url}/status/200", timeout=20).status_code
            except Exception as error:  # noqa: BLE001: the kind is the finding
                status = type(error).__name__
            with lock:
                answers[status] = answers.get(status, 0) + 1
            time.sleep(PAUSE)

    lock = threading.Lock()
    threads = [threading.Thread(target=caller) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
