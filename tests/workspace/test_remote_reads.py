"""Runs that read tracked sources through the libraries that people use, from real servers: each is tied to the version that it read."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from tests.object_stores import ObjectServer

from lineal.bootstrap.compose import create_workspace
from lineal.records.run import Run
from lineal.workspace.interface import RunRequest, Workspace

BUCKET = "flights-read"
ASKED = "as its source said when the run ended"
CSV = "a,b\n1,2\n3,4\n"

READERS = {
    "botocore": "import boto3; boto3.client('s3').get_object(Bucket='{bucket}', Key='{key}')['Body'].read()",
    "s3fs": "import s3fs; s3fs.S3FileSystem().open('{bucket}/{key}').read()",
    "pandas": "import pandas; pandas.read_csv('s3://{bucket}/{key}')",
    "obstore": "import obstore; from obstore.store import S3Store; S3Store('{bucket}', client_options={{'allow_http': True}}).get('{key}').bytes()",
    "pyarrow-file": "from pyarrow import fs; {pa}.open_input_file('{bucket}/{key}').read()",
    "pyarrow-csv": "from pyarrow import csv, dataset, fs; dataset.dataset('{bucket}/{key}', filesystem={pa}, format='csv').to_table()",
}
PYARROW = "fs.S3FileSystem(endpoint_override='{endpoint}', scheme='http', region='us-east-1')"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, moto_server: ObjectServer) -> Iterator[Workspace]:
    """A project that tracks a bucket which keeps versions, and where one object has changed since."""
    with pytest.MonkeyPatch.context() as patch:
        moto_server.enter(patch)
        patch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint)
        client = boto3.client("s3", endpoint_url=moto_server.endpoint)
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for name in ("train.csv", "later.csv", *(f"train-{library}.csv" for library in READERS)):
            client.put_object(Bucket=BUCKET, Key=f"2013/{name}", Body=CSV.encode())
        workspace = create_workspace(tmp_path_factory.mktemp("studio"), name="studio")
        address = f"s3://{BUCKET}/2013?endpoint={moto_server.endpoint}&region=us-east-1"
        workspace.datasets.track(address, name="flights")
        client.put_object(Bucket=BUCKET, Key="2013/later.csv", Body=b"a,b\n5,6\n")
        yield workspace
        workspace.close()


def run(workspace: Workspace, code: str) -> Run:
    done = workspace.runs.execute(RunRequest(command=[sys.executable, "-c", code], folder=workspace.root))
    assert done.exit_code == 0, b"".join(workspace.runs.log(f"run:{done.id}")).decode()
    return done


def test_what_libraries_read_from_a_bucket_is_tied_to_the_fixed_point(studio: Workspace, moto_server: ObjectServer) -> None:
    pa = PYARROW.format(endpoint=moto_server.endpoint.removeprefix("http://"))
    found = run(studio, "\n".join(code.format(bucket=BUCKET, key=f"2013/train-{name}.csv", pa=pa) for name, code in READERS.items()))
    uses = {use.path.rpartition("/train-")[2].removesuffix(".csv"): use for use in found.inputs}
    assert set(uses) == set(READERS)
    assert {(use.dataset, use.role, use.restorable, use.size, use.note) for use in uses.values()} == {("flights@1", "train", True, len(CSV), "")}
    assert found.warnings == ()


BEFORE = """
import boto3, s3fs, pandas, obstore
from obstore.store import S3Store
from pyarrow import csv, dataset, fs
from pyarrow.fs import S3FileSystem
assert isinstance(fs.FileSystem.from_uri('s3://{bucket}?region=us-east-1')[0], S3FileSystem)
"""


def recorded(workspace: Workspace, code: str) -> Run:
    """The run of a program that records itself, outside `lineal run`."""
    (workspace.root / "program.py").write_text(code)
    done = subprocess.run([sys.executable, "program.py"], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workspace.runs.ingest()
    return workspace.runs.get(workspace.runs.search().runs[0].id)


@pytest.mark.parametrize("before", ["", BEFORE], ids=["imported in the block", "imported before it"])
def test_a_block_of_a_program_sees_what_lineal_run_sees(studio: Workspace, moto_server: ObjectServer, before: str) -> None:
    pa = PYARROW.format(endpoint=moto_server.endpoint.removeprefix("http://"))
    lines = [code.format(bucket=BUCKET, key=f"2013/train-{name}.csv", pa=pa) for name, code in READERS.items()]
    if before:  # names that were taken over before the block are watched, too
        lines = [line.rpartition("; ")[2].replace("fs.S3FileSystem", "S3FileSystem").replace("s3S3", "s3fs.S3") for line in lines]
    quiet = READERS["botocore"].format(bucket=BUCKET, key="2013/train.csv")
    code = [before.format(bucket=BUCKET), "import lineal", "with lineal.run():", *(f"    {line}" for line in lines), quiet]
    found = recorded(studio, "\n".join(code))
    uses = {use.path.rpartition("/train-")[2].removesuffix(".csv"): use for use in found.inputs}
    assert set(uses) == set(READERS)
    assert {(use.dataset, use.restorable, use.size, use.note) for use in uses.values()} == {("flights@1", True, len(CSV), "")}


@pytest.mark.parametrize("begun", [recorded, run])
def test_a_block_inside_another_is_told_of_what_it_reads_and_so_is_the_outer_one(studio: Workspace, begun: Callable[[Workspace, str], Run]) -> None:
    code = f"""
import boto3, lineal
def look(name):
    boto3.client("s3").get_object(Bucket="{BUCKET}", Key=f"2013/train-{{name}}.csv")["Body"].read()
with lineal.run("first"):
    look("s3fs")
with lineal.run("outer"):
    look("botocore")
    with lineal.run("inner"):
        import pyarrow.dataset  # under `lineal run` two watchers look for it
        look("obstore")
"""
    begun(studio, code)
    inner, outer = (studio.runs.get(row.id) for row in studio.runs.search().runs[:2])
    assert inner.name == "inner"
    assert {use.path.rpartition("/train-")[2] for use in inner.inputs if use.root == "url"} == {"obstore.csv"}
    first = set() if begun is recorded else {"s3fs.csv"}  # under `lineal run` both blocks are parts of one run
    assert {use.path.rpartition("/train-")[2] for use in outer.inputs if use.root == "url"} == {"botocore.csv", "obstore.csv", *first}


def test_an_address_with_its_server_is_the_one_that_was_tracked_so(studio: Workspace, moto_server: ObjectServer) -> None:
    address = f"s3://{BUCKET}/2013/train.csv?endpoint={moto_server.endpoint}&region=us-east-1"
    (use,) = recorded(studio, f"import lineal\nwith lineal.run() as run:\n    run.input({address!r}, role='train')").inputs
    assert (use.dataset, use.path, use.restorable, use.role) == ("flights@1", f"s3://{BUCKET}/2013/train.csv", True, "train")


def test_an_object_that_is_no_longer_what_was_recorded_is_told_of(studio: Workspace) -> None:
    found = run(studio, READERS["botocore"].format(bucket=BUCKET, key="2013/later.csv"))
    assert found.inputs[0].dataset == "flights@1"
    assert found.warnings == (f"s3://{BUCKET}/2013/later.csv is no longer what flights@1 recorded of it: track it again to fix what was read",)


def test_a_declared_url_gives_the_role_and_what_was_seen_the_state(studio: Workspace) -> None:
    code = "import lineal\nwith lineal.run() as run:\n    run.input('s3://{bucket}/{key}', role='test')\n    " + READERS["botocore"]
    (use,) = run(studio, code.format(bucket=BUCKET, key="2013/train.csv")).inputs
    assert (use.role, use.role_origin, use.declared, use.dataset, use.note) == ("test", "declared", True, "flights@1", "")


def test_of_what_was_only_declared_the_source_is_asked_when_the_run_has_ended(studio: Workspace) -> None:
    found = run(studio, f"import lineal\nwith lineal.run() as run:\n    run.input('s3://{BUCKET}/2013/train.csv')")
    assert [(use.dataset, use.note, use.restorable) for use in found.inputs] == [("flights@1", ASKED, True)]
    assert found.warnings == ()
    (whole,) = run(studio, f"import lineal\nwith lineal.run() as run:\n    run.input('s3://{BUCKET}/2013/')").inputs
    assert (whole.dataset, whole.path) == ("flights@1", f"s3://{BUCKET}/2013")


def test_a_change_of_what_was_only_declared_is_told_of(studio: Workspace) -> None:
    found = recorded(studio, f"import lineal\nwith lineal.run() as run:\n    run.input('s3://{BUCKET}/2013/later.csv')")
    assert [(use.dataset, use.note) for use in found.inputs] == [("flights@1", ASKED)]
    assert found.warnings == (f"s3://{BUCKET}/2013/later.csv is no longer what flights@1 recorded of it: track it again to fix what was read",)


def test_what_a_run_puts_into_a_bucket_is_its_output_and_the_next_ones_input(studio: Workspace) -> None:
    made = run(studio, f"import boto3; boto3.client('s3').put_object(Bucket='{BUCKET}', Key='out/model.bin', Body=b'weights')")
    (output,) = made.outputs
    read = run(studio, READERS["botocore"].format(bucket=BUCKET, key="out/model.bin"))
    assert output.path == f"s3://{BUCKET}/out/model.bin"
    assert read.inputs[0].occurrence == output.occurrence


def test_a_folder_of_objects_that_pyarrow_opens_is_seen_object_by_object(studio: Workspace, moto_server: ObjectServer) -> None:
    pa = PYARROW.format(endpoint=moto_server.endpoint.removeprefix("http://"))
    found = run(studio, f"from pyarrow import dataset, fs; dataset.dataset('{BUCKET}/2013', filesystem={pa}, format='csv').to_table()")
    assert {use.path.rpartition("/")[2]: use.dataset for use in found.inputs} == dict.fromkeys(
        ("train.csv", "later.csv", *(f"train-{library}.csv" for library in READERS)), "flights@1"
    )


class TestTheWeb:
    servers: ClassVar[dict[str, ThreadingHTTPServer]] = {}

    @pytest.fixture
    def site(self, studio: Workspace, tmp_path: Path) -> Iterator[str]:
        for name in ("airports", "other", "urllib", "requests", "httpx", "pandas", "fsspec"):
            (tmp_path / f"{name}.csv").write_text(CSV)

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        studio.datasets.track(f"{url}/airports.csv", name=f"airports-{server.server_port}")
        self.servers[url] = server
        yield url
        server.shutdown()
        server.server_close()

    def test_tracked_addresses_are_tied_and_any_other_left_alone(self, studio: Workspace, site: str) -> None:
        readers = {
            "urllib": "import urllib.request; urllib.request.urlopen('{url}').read()",
            "requests": "import requests; requests.get('{url}').content",
            "httpx": "import httpx; httpx.get('{url}').content",
            "pandas": "import pandas; pandas.read_csv('{url}')",
            "fsspec": "import fsspec; fsspec.open('{url}').open().read()",
        }
        port = site.rpartition(":")[2]
        for name in readers:
            studio.datasets.track(f"{site}/{name}.csv", name=f"{name}-{port}")
        lines = [code.format(url=f"{site}/{name}.csv?token=secret") + "\n" + code.format(url=f"{site}/other.csv") for name, code in readers.items()]
        uses = {use.path: (use.dataset, use.note) for use in run(studio, "\n".join(lines)).inputs}
        assert uses == {f"{site}/{name}.csv": (f"{name}-{port}@1", "") for name in readers}

    def test_a_block_of_a_program_sees_them_too(self, studio: Workspace, site: str) -> None:
        url = f"{site}/airports.csv"
        code = f"import requests, lineal\nwith lineal.run():\n    requests.get('{url}').content\n    requests.get('{site}/other.csv').content"
        (use,) = recorded(studio, code).inputs
        assert (use.path, use.dataset) == (url, f"airports-{site.rpartition(':')[2]}@1")

    def test_what_was_only_declared_is_unknown_where_its_source_cannot_be_asked_and_told_of_where_it_is_gone(
        self, studio: Workspace, site: str, tmp_path: Path
    ) -> None:
        name, code = f"airports-{site.rpartition(':')[2]}", f"import lineal\nwith lineal.run() as run:\n    run.input('{site}/airports.csv')"
        (tmp_path / "airports.csv").rename(tmp_path / "away.csv")
        gone = recorded(studio, code)
        assert gone.warnings == (f"{site}/airports.csv was declared as an input, and was not at its source any more when the run ended",)
        studio.datasets.track(f"{site}/away.csv", name=f"away-{name}")
        self.servers[site].shutdown()
        self.servers[site].server_close()
        (use,) = recorded(studio, code.replace("airports", "away")).inputs
        assert (use.dataset, use.note) == (f"away-{name}@1", "what it was when it was read is not known")

    def test_what_lineal_itself_fetches_for_an_address_of_its_own_is_noted_once(self, studio: Workspace, site: str) -> None:
        name = f"airports-{site.rpartition(':')[2]}"
        (use,) = run(studio, f"import lineal\nassert lineal.get('{name}@1').open('airports.csv').read() == {CSV.encode()!r}").inputs
        assert (use.path, use.dataset) == (f"lineal://{name}@1/airports.csv", f"{name}@1")
        assert str(use.digest).startswith("etag:")  # the source's mark, not the content id of what is known of it
        newest = studio.runs.search().runs[0].id
        assert studio.runs.artifact(f"run:{newest}", use.path).read() == CSV.encode()
