"""`tfrec canary`: keeps, rolls back or promotes the version under trial."""

import argparse

HELP = "keep, take back or promote the version under trial, by certificate and errors"
DESCRIPTION = """\
Looks once at the version that `canary` names: the servers that run it must answer as its certificate says, and must
not fail more requests than those of `stable`, by Prometheus (TF Serving's request_count). Else `canary` goes back to
the stable version, the version is noted as refused, and the exit status is 1. Without findings for --promote-after
hours it becomes stable. Run it every few minutes.
"""
EXAMPLES = """\
examples:
  tfrec canary s3://shop-models/live --server dns:///tfrec-serving-canary:8500 --prometheus http://prometheus:9090
  tfrec canary /srv/models --server localhost:8500                  # by the certificate alone; never promotes
"""
INTERRUPTED = "Nothing was changed, or all of it was: see models.config."

EXIT_TAKEN_BACK = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("target", metavar="MODELS|URL", help="folder or URL of published versions")
    parser.add_argument(
        "--server", required=True, metavar="HOST:PORT", help="addresses of the servers that run the canary"
    )
    parser.add_argument(
        "--prometheus", metavar="URL", help="address of Prometheus, which counts their errors (default: not judged)"
    )
    parser.add_argument(
        "--job", default="tfrec-serving-canary", metavar="NAME", help="job of these servers in Prometheus"
    )
    parser.add_argument("--stable-job", default="tfrec-serving", metavar="NAME", help="job of the servers of stable")
    parser.add_argument(
        "--max-errors", type=float, default=0.01, metavar="X", help="largest share of failures above that of stable"
    )
    parser.add_argument(
        "--min-requests", type=int, default=100, metavar="N", help="least number of requests for errors to be judged"
    )
    parser.add_argument(
        "--grace", type=float, default=15.0, metavar="MIN", help="time to load a new version, in minutes"
    )
    parser.add_argument(
        "--promote-after", type=float, default=24.0, metavar="H", help="time until promotion, in hours; 0 = never"
    )


def run(options: argparse.Namespace) -> int:
    """Judges, moves labels, and returns the exit status."""
    from tfrec.release.canary import CanaryConfig, decide, note
    from tfrec.tracking.labels import move_label

    decision = decide(
        options.target,
        server=options.server,
        prometheus=options.prometheus,
        job=options.job,
        stable_job=options.stable_job,
        config=CanaryConfig(options.max_errors, options.min_requests, options.grace, options.promote_after),
    )
    for reason in decision.reasons:
        print(f"  {reason}")
    if decision.action == "back":
        move_label(options.target, "canary", decision.stable, with_newest=False)
        note(options.target, decision)
        print(f"canary: back to version {decision.stable}, which was {decision.canary}")
        return EXIT_TAKEN_BACK
    if decision.action == "promote":
        move_label(options.target, "stable", decision.canary, with_newest=False)
        print(f"stable: version {decision.canary}, which was {decision.stable}")
    elif decision.action == "keep":
        print(f"canary: version {decision.canary} stays under trial beside version {decision.stable}")
    else:
        print(f"Nothing is under trial beside version {decision.stable}.")
    return 0
