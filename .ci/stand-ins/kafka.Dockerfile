FROM orderwire-ci/base
RUN useradd --uid 1000 --create-home appuser && install -d -o appuser /var/lib/kafka/data /etc/kafka
USER appuser
VOLUME /var/lib/kafka/data
CMD ["/usr/local/bin/kafka.sh"]
