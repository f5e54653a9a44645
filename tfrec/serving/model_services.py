"""Answers the messages of TF Serving's `PredictionService` and `ModelService`, whichever port they come from."""

from typing import Any

from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits
from tfrec.serving.prediction import check_request, predict
from tfrec.serving.versions import ServedModels

_INVALID_ARGUMENT, _NOT_FOUND = 3, 5


class ModelServices:
    """Requests to responses; any thread may ask.

    Args:
        models: the servables.
        limits: what one request may ask for.
    """

    def __init__(self, models: ServedModels, limits: RequestLimits) -> None:
        self._models = models
        self._limits = limits

    def memory_of(self, request: Any) -> int:
        """Returns the bytes that answering a `PredictRequest` takes, estimated from what it declares.

        Raises:
            ServingError: as `predict`, where the request is not answered for what can be seen without decoding it.
        """
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, _):
            return check_request(servable, request, self._limits)

    def predict(self, request: Any, *, timeout_ms: int = 0) -> Any:
        """Answers a `PredictRequest` with a `PredictResponse`.

        Args:
            request: the request.
            timeout_ms: the run is given up after so many milliseconds; 0 = never.

        Raises:
            ServingError: with TF Serving's code and message.
        """
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, loaded):
            return predict(servable, request, version=loaded, limits=self._limits, timeout_ms=timeout_ms)

    def get_model_metadata(self, request: Any) -> Any:
        """Answers a `GetModelMetadataRequest`: the signatures of a servable.

        Raises:
            ServingError: as `predict`.
        """
        _require_spec(request)
        if not request.metadata_field:
            raise ServingError(
                "GetModelMetadataRequest must specify at least one metadata_field", code=_INVALID_ARGUMENT
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise ServingError(f"Metadata field {field} is not supported", code=_INVALID_ARGUMENT)
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, loaded):
            response = wire.GetModelMetadataResponse(model_spec=wire.ModelSpec(name=name))
            response.model_spec.version.value = loaded
            response.metadata["signature_def"].type_url = wire.SIGNATURE_DEF_MAP_URL
            response.metadata["signature_def"].value = servable.signature_defs.SerializeToString()
            return response

    def get_model_status(self, request: Any) -> Any:
        """Answers a `GetModelStatusRequest`: all versions ever seen, the highest first; a label is not looked at.

        Raises:
            ServingError: as `predict`.
        """
        _require_spec(request)
        name = request.model_spec.name
        statuses = self._models.statuses(name)
        if not statuses:
            raise ServingError(f"Could not find any versions of model {name}", code=_NOT_FOUND)
        if request.model_spec.WhichOneof("version_choice") == "version":
            version = request.model_spec.version.value
            statuses = [status for status in statuses if status.version == version]
            if not statuses:
                raise ServingError(f"Could not find version {version} of model {name}", code=_NOT_FOUND)
        response = wire.GetModelStatusResponse()
        for status in statuses:
            response.model_version_status.add(
                version=status.version,
                state=wire.STATES[status.state],
                status={"error_code": status.error_code, "error_message": status.error_message},
            )
        return response

    def _resolved(self, request: Any) -> tuple[str, int | None]:
        """Returns the servable's name and version (None = the newest) that a request asks for."""
        _require_spec(request)
        spec = request.model_spec
        if not spec.name:
            raise ServingError("ModelSpec has no name specified.", code=_INVALID_ARGUMENT)
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            version = self._models.version_of(spec.name, spec.version_label)
            if version is None:
                raise ServingError(f"Unrecognized servable version label: {spec.version_label}", code=_INVALID_ARGUMENT)
            return spec.name, version
        return spec.name, spec.version.value if choice == "version" else None


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise ServingError("Missing ModelSpec", code=_INVALID_ARGUMENT)
