FROM orderwire-ci/debian
ENV DEBIAN_FRONTEND=noninteractive
RUN mkdir -p /usr/share/man/man1 && apt-get update -qq \
  && apt-get install -y -qq --no-install-recommends ca-certificates openjdk-17-jre-headless postgresql libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY node *.sh /usr/local/bin/
COPY npm /usr/local/lib/npm
COPY npmrc /usr/local/etc/npmrc
COPY jars /opt/kafka/libs
RUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm
