"""Turns gRPC's error of a call into one of our own that names the cause and what to do."""

import grpc

from tfrec import errors
from tfrec.errors import ServingError

UNKNOWN_LABEL = "Unrecognized servable version label"
"""How the server's message of a label that it does not know begins."""


_HTTP = "Received http2 header with status"
"""How gRPC reports an HTTP error, where no server of gRPC answered."""


def name_failure(target: str, error: grpc.RpcError, what: str, deadline: float) -> ServingError:
    """Returns the error of our own tree that names the cause of a failed call.

    Args:
        target: address that was asked.
        error: what gRPC raised.
        what: servable and signature that were asked.
        deadline: seconds that the call had.
    """
    status, details = error.code(), error.details() or "no details"
    kind: type[ServingError] = ServingError
    text = f"{what} at {target} failed with {status.name}: {details}"
    if status is grpc.StatusCode.UNAVAILABLE and "batching queue" not in details and "queue to which" not in details:
        kind = errors.ServerUnreachableError
        text = (
            f"No server answers at {target}: {details}. Is it running (`tfrec serve MODELS`), is this its "
            "gRPC port, and do both sides use TLS (`credentials`) or neither?"
        )
    elif status in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
        kind = errors.ServerOverloadedError
        text = f"{what} at {target}: overloaded, or too large an answer: {details}. Ask later or for less."
    elif status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return deadline_exceeded(target, what, deadline, details=details)
    elif status is grpc.StatusCode.NOT_FOUND:
        kind = errors.ServableNotLoadedError
        text = f"The server at {target} has not loaded what {what} needs: {details}."
    elif status is grpc.StatusCode.FAILED_PRECONDITION and details.startswith("Serving signature key"):
        kind = errors.SignatureNotFoundError
        text = f"{what} at {target}: {details} Export the servable with this version of `tfrec`."
    elif details.startswith(UNKNOWN_LABEL):
        kind = errors.RequestRefusedError
        text = f"{what} at {target}: {details}. Name versions for the server: tfrec label MODELS LABEL=N."
    elif status is grpc.StatusCode.INVALID_ARGUMENT:
        kind = errors.RequestRefusedError
        text = f"{what} at {target} refused the request: {details}"
    elif status is grpc.StatusCode.UNIMPLEMENTED and details.startswith(_HTTP):
        kind = errors.ServerUnreachableError  # an ingress without a server behind it
        text = f"No server of TF Serving's kind answers at {target}: {details}. Is this its gRPC port?"
        return kind(text, code=grpc.StatusCode.UNAVAILABLE.value[0], details=details)
    elif status is grpc.StatusCode.UNIMPLEMENTED:
        text = f"{target} speaks gRPC, but is no TF Serving: {details}. Check the port."
    return kind(text, code=status.value[0], details=details)


def deadline_exceeded(
    target: str, what: str, deadline: float, *, details: str | None = None
) -> errors.DeadlineExceededError:
    """Returns the error of a call that had no answer in time; arguments as in `name_failure`."""
    text = f"{what} at {target} gave no answer in {deadline:.3g} s. Raise `deadline` or ask for less."
    return errors.DeadlineExceededError(text, code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], details=details)
