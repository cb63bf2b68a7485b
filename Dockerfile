# A static bearerd on an empty image: `docker build -t bearerd .`
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /build

# Uses musl if the toolchain has it or can get it, else glibc linked statically: both run on scratch. The target is set in
# cargo's configuration, so that it applies to the program and not to build scripts.
# The image's tag fixes the Debian release; its package versions change, so they are not pinned.
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
# The caches keep downloads and compiled crates between builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo install --locked --path . --root /out

FROM scratch
COPY --from=build /out/bin/bearerd /bearerd
# A numeric user, so that Kubernetes can verify that it is not root.
USER 65532:65532
# The image has no shell and no curl, so bearerd checks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/bearerd", "wait", "--for", "ready", "--timeout", "2s"]
ENTRYPOINT ["/bearerd"]
CMD ["run"]
