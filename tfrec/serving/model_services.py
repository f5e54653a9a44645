"""Answers the messages of TF Serving's `PredictionService` and `ModelService`, whichever port they come from."""

import time
from collections.abc import Mapping
from typing import Any, NoReturn

from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits
from tfrec.serving.metrics import ServingMetrics
from tfrec.serving.models_config import configs_of
from tfrec.serving.prediction import check_request, predict
from tfrec.serving.request_log import RequestLog
from tfrec.serving.saved_model import TensorSpec
from tfrec.serving.versions import ServedModels

_INVALID_ARGUMENT, _NOT_FOUND, _UNIMPLEMENTED = 3, 5, 12
_PLATFORM = "tensorflow"


class ModelServices:
    """Requests to responses; any thread may ask.

    Args:
        models: the servables.
        limits: what one request may ask for.
        metrics: counts what is answered.
        log: takes a sample of it; None = none is taken.
    """

    def __init__(
        self, models: ServedModels, limits: RequestLimits, metrics: ServingMetrics, log: RequestLog | None = None
    ) -> None:
        self._models = models
        self._limits = limits
        self._metrics = metrics
        self._log = log

    def memory_of(self, request: Any) -> int:
        """Returns the bytes that answering a `PredictRequest` takes, estimated from what it declares.

        Raises:
            ServingError: as `predict`, where the request is not answered for what can be seen without decoding it.
        """
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, _):
            return check_request(servable, request, self._limits)

    def predict(self, request: Any, *, timeout_ms: int = 0) -> Any:
        """Answers a `PredictRequest`, whose memory was found to be within the limits, with a `PredictResponse`.

        Args:
            request: the request.
            timeout_ms: the run is given up after so many milliseconds; 0 = never.

        Raises:
            ServingError: with TF Serving's code and message.
        """
        name, version = self._resolved(request)
        with self._models.using(name, version) as (servable, loaded):
            start = time.perf_counter()
            response = predict(servable, request, version=loaded, timeout_ms=timeout_ms)
            seconds = time.perf_counter() - start
            self._metrics.answered(request, response, seconds, ids=servable.known_ids.count(request.inputs))
            if self._log is not None:
                self._log.add(request, response)
            return response

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

    def inputs_of(self, spec: Any) -> Mapping[str, TensorSpec]:
        """Returns the inputs of the signature that a `ModelSpec` names, for the JSON of a REST request.

        Raises:
            ServingError: as `predict`, but INVALID_ARGUMENT where the signature is not there.
        """
        name, version = self._resolved(wire.PredictRequest(model_spec=spec))
        signature = spec.signature_name or wire.DEFAULT_SIGNATURE
        with self._models.using(name, version) as (servable, _):
            if signature not in servable.signatures:
                raise ServingError(
                    f'Serving signature name: "{signature}" not found in signature def', code=_INVALID_ARGUMENT
                )
            return servable.signatures[signature].inputs

    def classify(self, request: Any, verb: str) -> NoReturn:
        """Refuses a request to classify or regress as TF Serving refuses it where no signature does that.

        Args:
            request: a `ClassificationRequest` or `RegressionRequest`.
            verb: `classify` or `regress`.

        Raises:
            ServingError: always; UNIMPLEMENTED where TF Serving would answer.
        """
        name, version = self._resolved(request)
        wanted = request.model_spec.signature_name or wire.DEFAULT_SIGNATURE
        kind, most_outputs = {"classify": ("classification", 2), "regress": ("regression", 1)}[verb]
        with self._models.using(name, version) as (servable, _):
            signature = servable.signatures.get(wanted)
        if signature is None:
            raise ServingError(f"No signature was found with the name: {wanted}", code=_INVALID_ARGUMENT)
        if len(signature.inputs) != 1:
            raise ServingError("Expected one input Tensor.", code=_INVALID_ARGUMENT)
        if not 1 <= len(signature.outputs) <= most_outputs:
            count = f"or two output Tensors, found {len(signature.outputs)}" if most_outputs > 1 else "output Tensor."
            raise ServingError(f"Expected one {count}", code=_INVALID_ARGUMENT)
        if "inputs" not in signature.inputs:
            definition = " ".join(str(servable.signature_defs.signature_def[wanted]).split())
            raise ServingError(f"No {kind} inputs found in SignatureDef: {definition}", code=_INVALID_ARGUMENT)
        raise ServingError(
            f"{verb} is not offered by the embedded server: no signature of tfrec does that. Use TF Serving itself.",
            code=_UNIMPLEMENTED,
        )

    def multi_inference(self, request: Any) -> NoReturn:
        """Refuses a `MultiInferenceRequest` likewise.

        Raises:
            ServingError: always.
        """
        task = request.tasks[0] if request.tasks else None
        if task is None:
            raise ServingError("ModelSpec has no name specified.", code=_INVALID_ARGUMENT)
        self.classify(task, "regress" if task.method_name.endswith("regress") else "classify")

    def reload_config(self, request: Any) -> Any:
        """Answers a `ReloadConfigRequest`: its list of servables replaces the one before, until the file changes.

        Of base paths the last part counts, in the folder that is served.

        Raises:
            ServingError: with TF Serving's code and message.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise ServingError(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported",
                code=_INVALID_ARGUMENT,
            )
        entries = request.config.model_config_list
        configs = configs_of(entries)
        for entry in entries.config:
            if not entry.model_platform and not entry.model_type:
                raise ServingError(
                    "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                    f"ModelServerConfig::model_platform, model name is {entry.name}",
                    code=_INVALID_ARGUMENT,
                )
            if entry.model_platform not in ("", _PLATFORM):
                text = f"Model {entry.name} requests unsupported platform {entry.model_platform}"
                if self._models.is_available(entry.name):
                    text = (
                        f"Illegal to change a model's platform. For model {entry.name} platform was {_PLATFORM} and "
                        f"new platform requested is {entry.model_platform}"
                    )
                raise ServingError(text, code=_INVALID_ARGUMENT)
        self._models.reload(configs)
        return wire.ReloadConfigResponse(status={})

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
