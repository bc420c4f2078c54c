"""The model library of a server."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from lineal.errors import Conflict, Integrity
from lineal.records.model import Model, ModelVersion
from lineal.workspace.remote.client import Client, part
from lineal.workspace.wire import restore


class RemoteModels:
    """Models by name, and their versions."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def register(self, run: str, *, name: str, path: str = "", note: str = "") -> ModelVersion:
        """Makes the model of a run a version in the library."""
        wanted = {"run": run, "name": name, "path": path, "note": note}
        return restore(ModelVersion, self._client.post("/models", {key: value for key, value in wanted.items() if value}))

    def list(self) -> Sequence[Model]:
        """Every model with its versions."""
        return self._client.records(Model, "/models", "models")

    def get(self, reference: str) -> ModelVersion:
        """The version that a reference names."""
        return self._client.record(ModelVersion, f"/models/{part(reference)}")

    def set_alias(self, reference: str, alias: str) -> ModelVersion:
        """Points the alias at that version."""
        return restore(ModelVersion, self._client.post(f"/models/{part(reference)}/aliases/{part(alias)}", method="PUT"))

    def remove_alias(self, name: str, alias: str) -> None:
        """Takes an alias away."""
        self._client.post(f"/models/{part(name)}/aliases/{part(alias)}", method="DELETE")

    def export(self, reference: str, folder: Path) -> Path:
        """Writes the model's bundle into ``folder``, which must not hold anything.

        Raises:
            Conflict: kind ``folder-not-empty``. Integrity: kind ``bad-answer``.
        """
        if folder.is_dir() and any(folder.iterdir()):
            raise Conflict(f"the folder {folder} is not empty", kind="folder-not-empty", hint="Name one that is empty or does not exist.")
        with self._client.file(f"/models/{part(reference)}/export") as stream:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with tarfile.open(fileobj=stream) as archive:
                    archive.extractall(folder, filter="data")
            except tarfile.TarError as error:
                raise Integrity(f"the bundle of {reference} did not arrive whole: {error}", kind="bad-answer", hint="Try again.") from error
        return folder
