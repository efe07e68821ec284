"""What the Kafka and Redis clients are given, from the settings: the one place that knows their arguments.

In:  settings of the servers.
Out: keyword arguments for any aiokafka client; options for the store.
"""

import ssl
from typing import Any

from stream.errors import Problem, SettingsError
from stream.settings.tracker import KafkaSettings


def kafka_arguments(kafka: KafkaSettings) -> dict[str, Any]:
    """Return aiokafka's arguments for servers and security. Raises `SettingsError` on a certificate it cannot load."""
    security = kafka.security
    arguments: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "security_protocol": security.protocol.upper(),
    }
    if security.uses_sasl:
        arguments |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.user,
            "sasl_plain_password": security.password,
        }
    if security.uses_tls:
        try:
            context = ssl.create_default_context(cafile=security.ca_file)
            if security.cert_file is not None:
                context.load_cert_chain(security.cert_file, security.key_file, security.key_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            text = f"{error}; the files must be PEM, and the password that of the key"
            raise SettingsError((Problem("tracker settings", None, "kafka.security", text),)) from error
        arguments["ssl_context"] = context
    return arguments
