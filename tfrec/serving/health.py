"""`Health`: what `grpc.health.v1.Health` answers: which servables can be asked, now and whenever that changes."""

import asyncio
from collections.abc import AsyncIterator

from tfrec.schema import wire
from tfrec.serving.versions import ServedModels

UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN = range(4)
"""`HealthCheckResponse.ServingStatus`."""
_WHOLE = ("", "PredictionService", "ModelService", wire.PREDICTION_SERVICE, wire.MODEL_SERVICE)


class Health:
    """The health of a server and of each servable; for the tasks of one event loop.

    The server as a whole (`""`, or the name of a service) is SERVING while any servable answers: a server whose
    fall-back answers is to be asked. A servable is, by its name, while a version of it is loaded.

    Args:
        models: the servables.
    """

    def __init__(self, models: ServedModels) -> None:
        self._models = models
        self._is_stopping = False
        self._watchers: set[asyncio.Event] = set()

    def status(self, service: str) -> int:
        """Returns the status of a service, or of the servable of that name; `SERVICE_UNKNOWN` of any other name."""
        names = self._models.names
        if service not in (*_WHOLE, *names):
            return SERVICE_UNKNOWN
        services = names if service in _WHOLE else [service]
        is_serving = not self._is_stopping and any(map(self._models.is_available, services))
        return SERVING if is_serving else NOT_SERVING

    async def watch(self, service: str) -> AsyncIterator[int]:
        """Yields the status of a service, and again each time that it changes; ends with the server."""
        changed, last = asyncio.Event(), UNKNOWN
        self._watchers.add(changed)
        try:
            while True:
                changed.clear()
                # read before the status: a stop while a status is being sent must still be reported
                is_last = self._is_stopping
                status = self.status(service)
                if status != last:
                    last = status
                    yield status
                if is_last:
                    return  # else the server would wait for its watchers
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def notify(self) -> None:
        """Lets the watchers look again; to be called in the event loop."""
        for changed in self._watchers:
            changed.set()

    def stop(self) -> None:
        """Reports NOT_SERVING from now on."""
        self._is_stopping = True
        self.notify()
