# syntax=docker/dockerfile:1
# Two images of docker-compose.yml: `srvctl` (the default) and `bind`.
#
# Both run Debian 12, on which the tests run, so that BIND here is the version that srvctl is tested with. Both have the
# group `dnskey` (gid 5353), to which docker-compose.yml gives the TSIG key in the volume /keys; the link beside each
# configuration makes it the `internal.local.key` that srvctl.toml and named.conf name.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The cache mounts keep downloaded and compiled dependencies between builds.
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin srvctl && install -D target/release/srvctl /out/srvctl

FROM debian:bookworm-slim AS bind
RUN apt-get update \
 && apt-get install -y --no-install-recommends bind9 bind9-dnsutils \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 5353 dnskey \
 && usermod --append --groups dnskey bind \
 && install -d -o bind -g bind /srv/bind /srv/bind/zones \
 && install -d -g dnskey /keys \
 && ln -s /keys/internal.local.key /srv/bind/internal.local.key
WORKDIR /srv/bind
USER bind
# -g: in the foreground, log to stderr. Port 53 needs no privilege inside a container (Docker 20.10 and later).
CMD ["/usr/sbin/named", "-g", "-c", "/srv/bind/named.conf"]

FROM debian:bookworm-slim AS srvctl
RUN groupadd --gid 5353 dnskey \
 && useradd --system --uid 10001 --user-group --groups dnskey --no-create-home --shell /usr/sbin/nologin srvctl \
 && install -d /etc/srvctl /etc/srvctl/services.d \
 && install -d -o srvctl -g srvctl -m 0750 /var/lib/srvctl /run/srvctl \
 && ln -s /keys/internal.local.key /etc/srvctl/internal.local.key
COPY --from=build /out/srvctl /usr/local/bin/srvctl
USER srvctl
ENTRYPOINT ["/usr/local/bin/srvctl"]
CMD ["daemon"]
