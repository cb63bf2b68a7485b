"""Client credentials at a certified server: in Basic, in the body, and refused."""

from harness import Bearerd, World, eventually, session

SET = "real"
NEEDS = ["node"]


def run(world: World, check) -> None:
    basic, basic_table = world.upstream("basic", "oauth2", world.BASIC)
    post, post_table = world.upstream("post", "oauth2-post", world.POST)
    proxy = Bearerd(world, basic_table + post_table)
    for name, url, client in [("Basic", basic, world.BASIC), ("body", post, world.POST)]:
        with check(f"client credentials by {name}, odd characters and all, give a bearer that the server calls active"):
            assert session().get(f"{url}/status/200", timeout=20).status_code == 200
            assert world.oauth.token_requests(client=client["client_id"], status=200) >= 1
    with check("a signal ends the proxy with exit code 0"):
        code = proxy.stop()
        assert code == 0, f"exit code {code}"
    refused(world, check)


def refused(world: World, check) -> None:
    wrong = world.BASIC | {"client_secret": "not the secret"}
    url, table = world.upstream("refused", "oauth2", wrong)
    proxy = Bearerd(world, table, wait_for="live")
    answers = [session().get(f"{url}/status/200", timeout=20) for _ in range(20)]
    with check("credentials that the server refuses give 503 token-rejected as RFC 9457 and RFC 9209 want it"):
        for answer in answers:
            kind = answer.headers.get("Content-Type", "")
            assert answer.status_code == 503, f"status {answer.status_code}"
            assert kind.startswith("application/problem+json"), kind
            assert answer.json()["code"] == "token-rejected", answer.text
            assert answer.json()["upstream"] == "refused", answer.text
            assert int(answer.headers["Retry-After"]) > 0
            status = answer.headers["Proxy-Status"]
            assert status.startswith("bearerd; error=destination_unavailable"), status
            assert 'details="token-rejected"' in status, status
    with check("the server that refused is left alone: one token request for twenty calls"):
        asked = world.oauth.token_requests(error="invalid_client")
        assert asked == 1, f"{asked} token requests"
    with check("a corrected secret is tried at once, while the proxy runs"):
        (world.directory / "refused.secret").write_text(world.BASIC["client_secret"])
        eventually("the call goes through", lambda: session().get(f"{url}/status/200", timeout=20).status_code == 200)
    proxy.stop()
