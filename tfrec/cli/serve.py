"""`tfrec serve`: serves a folder of servables over gRPC, as TF Serving answers."""

import argparse
import logging
import sys
from pathlib import Path

HELP = "serve a folder of SavedModels over gRPC and REST until Ctrl-C"
DESCRIPTION = """\
Answers PredictionService and ModelService over gRPC as TF Serving does, and REST where a port is named, on loopback by
default, and loads new versions as they appear. Callers that are slow or never finish block no other, and requests wait
where threads or memory are taken. MODELS/models.config, which `tfrec label` writes for TF Serving, is followed as TF
Serving follows it: the versions that it names are served, and requests may name a label; label again for a newer
version. For development and small shops; `serving/` and `k8s/` have the container.
"""
EXAMPLES = """\
examples:
  tfrec serve models
  tfrec serve models --rest-port 8501                 # REST, and metrics for Prometheus
  tfrec serve models --host 0.0.0.0 --port 9000       # everyone who reaches the machine can ask
"""
INTERRUPTED = "The server is stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("models", type=Path, metavar="DIR", help="folder of <servable>/<version>/saved_model.pb")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8500, help="port to listen on; 0 = any free port")
    parser.add_argument(
        "--rest-port",
        type=int,
        metavar="PORT",
        help="port of REST and of the metrics of Prometheus, as TF Serving's; 0 = any free port (default: none)",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="page whose scripts may ask over REST, such as https://shop.example; several times; * = all",
    )
    parser.add_argument(
        "--poll-seconds", type=float, default=1.0, metavar="S", help="seconds between two checks for new versions"
    )
    parser.add_argument(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="file of versions and labels (default: DIR/models.config, if there)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="number of requests answered at once (default: 4 per core)"
    )
    parser.add_argument("--max-rows", type=int, default=16_384, metavar="N", help="most rows (queries) of one request")
    parser.add_argument(
        "--memory",
        type=int,
        default=2048,
        metavar="MIB",
        help="memory for the requests under way; a request that needs more alone is refused, others wait",
    )
    parser.add_argument(
        "--request-log",
        type=Path,
        metavar="DIR",
        help="folder for a sample of the requests, in files that can warm up a version",
    )
    parser.add_argument(
        "--request-log-share", type=float, default=0.01, metavar="P", help="share of the requests in that sample"
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="PEM", help="certificate of both ports, for TLS")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")
    parser.add_argument(
        "--tls-client-ca", type=Path, metavar="PEM", help="authority that callers' certificates must be of (mutual TLS)"
    )
    parser.add_argument(
        "--grace", type=float, default=5.0, metavar="S", help="seconds that requests under way have at the end"
    )


def run(options: argparse.Namespace) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    from tfrec.errors import ConfigError
    from tfrec.serving.heaps import share_heaps
    from tfrec.serving.limits import RequestLimits
    from tfrec.serving.request_log import RequestLog
    from tfrec.serving.server import EmbeddedServer, serve
    from tfrec.serving.tls import ServerTls

    if (options.tls_certificate is None) != (options.tls_key is None) or (
        options.tls_client_ca is not None and options.tls_key is None
    ):
        raise ConfigError("TLS takes --tls-certificate and --tls-key together; --tls-client-ca goes with both.")
    tls = None
    if options.tls_key is not None:
        tls = ServerTls(options.tls_certificate, options.tls_key, options.tls_client_ca)
    if options.allow_origin and options.rest_port is None:
        raise ConfigError("Pages ask over REST: name its port with --rest-port.")
    logging.getLogger("tfrec").setLevel(logging.INFO)  # a server's log is its output
    sys.stderr.write(f"Loading {options.models} ...\n")
    share_heaps()
    server = EmbeddedServer(
        options.models,
        host=options.host,
        port=options.port,
        rest_port=options.rest_port,
        poll_seconds=options.poll_seconds,
        max_threads=options.threads,
        limits=RequestLimits(max_rows=options.max_rows, max_memory=options.memory * 2**20),
        grace=options.grace,
        tls=tls,
        log=RequestLog(options.request_log, share=options.request_log_share) if options.request_log else None,
        config_file=options.config_file,
        allow_origins=options.allow_origin,
    )
    serve(server)
