"""Datasets, asked of a server: what is known of them, and the upkeep of its store."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence

from lineal.records.dataset import Dataset, DatasetVersion, TreeEntry, VerifyReport, VersionDiff
from lineal.records.garbage import Collection
from lineal.workspace.interface import Progress, silent
from lineal.workspace.remote.client import Client, part
from lineal.workspace.wire import restore, restore_each


class RemoteDatasets:
    """What a server knows of datasets."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> Sequence[Dataset]:
        """Every dataset, by name."""
        return self._client.records(Dataset, "/datasets", "datasets")

    def versions(self, name: str) -> Sequence[DatasetVersion]:
        """A dataset's versions, newest first."""
        return self._client.records(DatasetVersion, f"/datasets/{part(name)}/versions", "versions")

    def get(self, reference: str) -> DatasetVersion:
        """The version that a reference names."""
        return self._client.record(DatasetVersion, f"/datasets/{part(reference)}")

    def entries(self, reference: str, *, prefix: str = "", limit: int = 1000, after: str = "") -> Sequence[TreeEntry]:
        """Files of a version in the order of their paths."""
        words = {**_sendable("prefix", prefix), **_sendable("after", after)}
        return self._client.records(TreeEntry, f"/datasets/{part(reference)}/entries", "entries", limit=limit, **words)

    def diff(self, before: str, after: str) -> VersionDiff:
        """What differs between two versions."""
        return self._client.record(VersionDiff, "/datasets/diff", before=before, after=after)

    def verify(self, reference: str = "", *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads every content of a version, or of every one, at the server."""
        return restore_each(VerifyReport, self._client.work("/verify", ref=reference, progress=progress)["reports"])

    def verify_sample(self, reference: str = "", *, share: float, seed: int, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads a share of the contents of a version, or of every one, that the seed chooses."""
        return restore_each(VerifyReport, self._client.work("/verify", ref=reference, share=share, seed=seed, progress=progress)["reports"])

    def preview_collection(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """What `collect` would free and keep."""
        return restore(Collection, self._client.work("/garbage", grace=grace, progress=progress))

    def collect(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """Frees what nobody needs any more in the server's store."""
        body = {} if grace is None else {"grace": grace}
        return restore(Collection, self._client.work("/garbage", body, method="POST", progress=progress))


def _sendable(name: str, path: str) -> dict[str, str]:
    """A path as a word of an address, which holds text only: others go as what their exact bytes are in base64."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return {f"{name}_b64": base64.b64encode(os.fsencode(path)).decode()}
    return {name: path}
