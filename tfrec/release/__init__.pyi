from .canary import CanaryConfig, Decision, decide
from .certificate import Certificate, read_certificate
from .certify import Certifier
from .drift import Drift, DriftConfig, measure_drift
from .follow import follow_place
from .gate import GateConfig, Verdict, judge
from .known_truth import TruthFound, measure_truth
from .publish import Publication, publish_versions
from .rollback import Rollback, plan_rollback
from .verify import Verified, verify_place, verify_server

__all__ = [
    "CanaryConfig",
    "Certificate",
    "Certifier",
    "Decision",
    "Drift",
    "DriftConfig",
    "GateConfig",
    "Publication",
    "Rollback",
    "TruthFound",
    "Verdict",
    "Verified",
    "decide",
    "follow_place",
    "judge",
    "measure_drift",
    "measure_truth",
    "plan_rollback",
    "publish_versions",
    "read_certificate",
    "verify_place",
    "verify_server",
]
