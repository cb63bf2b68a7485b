# A static bearerd on an empty image. Build: `docker build -t bearerd .`
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /build

# musl where the toolchain has it or can get it, else glibc linked statically: both run on scratch. Written as cargo's
# configuration, so that it holds for the program alone and not for the build scripts of its dependencies.
# The tag fixes the release of Debian; versions of its packages come and go.
# hadolint ignore=DL3008
RUN command -v musl-gcc >/dev/null \
 || { apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*; }
RUN arch=$(uname -m); target=$arch-unknown-linux-musl; \
    rustup target add "$target" \
 || test -d "$(rustc --print target-libdir --target "$target")" \
 || target=$arch-unknown-linux-gnu; \
    mkdir -p .cargo \
 && printf '[build]\ntarget = "%s"\nrustflags = ["-C", "target-feature=+crt-static"]\n' "$target" > .cargo/config.toml

COPY . .
# The caches keep what was fetched and compiled between builds; only what changed is built again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo install --locked --path . --root /out

FROM scratch
COPY --from=build /out/bin/bearerd /bearerd
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# There is no shell and no curl here: the program asks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/bearerd", "wait", "--for", "ready", "--timeout", "2s"]
ENTRYPOINT ["/bearerd"]
CMD ["run"]
