# The images that the smoke test has in place of those of a registry, see bases.py.
FROM localhost/smoke-debian AS debian
ENV DEBIAN_FRONTEND=noninteractive
RUN printf '#!/bin/sh\nset -eu\napt-get update -q\napt-get install -q -y --no-install-recommends "$@"\nrm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/* /usr/share/man/*\n' > /usr/local/bin/get && chmod +x /usr/local/bin/get

FROM debian AS base
RUN get python3 ca-certificates

FROM base AS build
RUN get python3-venv binutils

FROM debian AS postgres
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres && \
    get postgresql postgresql-contrib && pg_dropcluster 15 main && \
    rm -rf /var/lib/postgresql/* && chown -R postgres:postgres /var/lib/postgresql && \
    rm /var/run && install --directory --mode 1777 /var/run/postgresql # podman covers /run, and gives a tmpfs the mode of its folder
COPY first_start.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/15/data LC_ALL=C.UTF-8
USER postgres
ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]
CMD ["postgres"]

FROM debian AS rabbitmq
RUN groupadd --gid 999 rabbitmq && useradd --uid 999 --gid 999 --home-dir /var/lib/rabbitmq rabbitmq && \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && \
    get rabbitmq-server && ln -s /usr/lib/rabbitmq/lib/rabbitmq_server-* /opt/rabbitmq && \
    rm -rf /var/lib/rabbitmq/* /var/lib/rabbitmq/.erlang.cookie && chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
ENV PATH=/opt/rabbitmq/sbin:$PATH HOME=/var/lib/rabbitmq RABBITMQ_LOGS=- LC_ALL=C.UTF-8 \
    RABBITMQ_MNESIA_BASE=/var/lib/rabbitmq/mnesia RABBITMQ_LOG_BASE=/var/lib/rabbitmq/log
USER rabbitmq
CMD ["rabbitmq-server"]

FROM debian AS proxy
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid 101 nginx && get nginx-light curl
CMD ["nginx", "-g", "daemon off;"]
