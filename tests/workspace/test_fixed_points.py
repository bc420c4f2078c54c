"""Tracking data that lies elsewhere: folders, web servers and real S3 servers."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import boto3
import httpx
import pytest
from tests.object_stores import ObjectServer

from lineal.bootstrap.compose import create_workspace
from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound, PermissionDenied, Unavailable
from lineal.pages import application
from lineal.records.dataset import VerifyReport
from lineal.records.run import Run
from lineal.workspace.interface import RunRequest, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "project").mkdir()
    made = create_workspace(tmp_path / "project", name="studio")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside the project."""
    made = tmp_path / "big"
    (made / "2013").mkdir(parents=True)
    (made / "empty").mkdir()
    for name in ("a.csv", "2013/b.csv", "2013/c.csv"):
        (made / name).write_text(f"a\n{name}\n")
    (made / "latest").symlink_to("2013/c.csv")
    os.utime(made / "a.csv", ns=(1, 1_700_000_000_000_000_000))
    return made


@pytest.fixture
def own_folder(workspace: Workspace, folder: Path) -> Path:
    """The same in the project: a run's temporary files count there only."""
    return folder.rename(workspace.root / "big")


def changes(workspace: Workspace, reference: str) -> dict[str, str]:
    """What verifying says has changed, by path."""
    return {change.path: change.change for change in verified(workspace, reference).changed}


def verified(workspace: Workspace, reference: str) -> VerifyReport:
    (report,) = workspace.datasets.verify(reference)
    return report


class TestAFolder:
    def test_a_version_has_every_file_and_none_of_the_bytes(self, workspace: Workspace, folder: Path) -> None:
        (folder / "huge.bin").write_bytes(os.urandom(2_000_000))
        version = workspace.datasets.track(str(folder), message="as delivered")
        assert (version.reference, version.files, version.root, version.message) == ("big@1", 5, "absolute", "as delivered")
        assert (version.tracked["label"], version.tracked["kind"], version.source) == ("notice-only", "folder", str(folder))
        assert version.stored_bytes < 10_000
        modes = {entry.path: (entry.mode, entry.size) for entry in workspace.datasets.entries("big")}
        assert modes[b"huge.bin"] == ("tracked", 2_000_000)
        assert modes[b"latest"] == ("symlink", 10)
        assert modes[b"empty"] == ("folder", 0)

    def test_tracking_again_is_a_new_version_only_if_something_changed(self, workspace: Workspace, folder: Path) -> None:
        first = workspace.datasets.track(str(folder))
        assert workspace.datasets.track(str(folder)) == first
        (folder / "2013/b.csv").write_text("changed")
        (folder / "a.csv").unlink()
        second = workspace.datasets.track(str(folder))
        found = workspace.datasets.diff("big@1", "big@2")
        assert second.reference == "big@2"
        assert {change.path: change.change for change in found.changes} == {"2013/b.csv": "modified", "a.csv": "removed"}

    def test_status_and_verify_say_what_changed_since_and_nothing_is_damaged(self, workspace: Workspace, folder: Path) -> None:
        workspace.datasets.track(str(folder))
        (status,) = workspace.datasets.status()
        assert (status.clean, status.tracked) == (True, "notice-only")
        (folder / "2013/b.csv").write_text("changed")
        (folder / "new.csv").write_text("x")
        (folder / "a.csv").unlink()
        expected = {"2013/b.csv": "modified", "a.csv": "removed", "new.csv": "added"}
        (status,) = workspace.datasets.status("big")
        assert {change.path: change.change for change in status.changes} == expected
        report = verified(workspace, "big")
        assert {change.path: change.change for change in report.changed} == expected
        assert report.sound
        assert report.label == "notice-only"

    def test_with_md5_a_change_that_hides_behind_its_time_is_found_by_reading(self, workspace: Workspace, folder: Path) -> None:
        version = workspace.datasets.track(str(folder), md5=True)
        assert version.tracked["md5"]
        before = os.stat(folder / "a.csv")
        (folder / "a.csv").write_text("A\nA.CSV\n")
        os.utime(folder / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert workspace.datasets.status("big")[0].clean
        (change,) = verified(workspace, "big").changed
        assert (change.path, change.after) == ("a.csv", "md5:" + hashlib.md5(b"A\nA.CSV\n", usedforsecurity=False).hexdigest())

    def test_once_tracked_with_md5_new_files_have_theirs_too(self, workspace: Workspace, folder: Path) -> None:
        workspace.datasets.track(str(folder), md5=True)
        (folder / "new.csv").write_text("x")
        assert workspace.datasets.track(str(folder)).tracked["md5"]
        assert changes(workspace, "big@1") == {"new.csv": "added"}
        assert changes(workspace, "big@2") == {}

    def test_a_version_is_fetched_while_the_source_is_what_it_was_and_refused_afterwards(
        self, workspace: Workspace, folder: Path, tmp_path: Path
    ) -> None:
        workspace.datasets.track(str(folder))
        assert workspace.datasets.checkout("big", tmp_path / "copy") == 5
        assert (tmp_path / "copy/2013/b.csv").read_text() == "a\n2013/b.csv\n"
        assert os.readlink(tmp_path / "copy/latest") == "2013/c.csv"
        with workspace.datasets.open("big", "a.csv") as file:
            assert file.read() == b"a\na.csv\n"
        (folder / "a.csv").write_text("something else")
        with pytest.raises(Conflict, match=r"a\.csv changed at .*big, which keeps no versions") as refused:
            workspace.datasets.checkout("big", tmp_path / "other")
        assert refused.value.kind == "source-changed"
        assert not (tmp_path / "other").exists()
        with workspace.datasets.open("big", "a.csv") as file, pytest.raises(Conflict, match="no longer what was recorded"):
            file.read()

    def test_what_lies_elsewhere_is_not_written_over(self, workspace: Workspace, folder: Path, tmp_path: Path) -> None:
        workspace.datasets.track(str(folder))
        with pytest.raises(InvalidInput, match="where nothing is written"):
            workspace.datasets.checkout("big")
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy/a.csv").write_text("mine")
        with pytest.raises(Conflict) as refused:
            workspace.datasets.checkout("big", tmp_path / "copy")
        assert refused.value.kind == "would-overwrite"
        assert (tmp_path / "copy/a.csv").read_text() == "mine"

    def test_one_file_is_tracked_by_itself(self, workspace: Workspace, folder: Path, tmp_path: Path) -> None:
        version = workspace.datasets.track(str(folder / "a.csv"))
        assert (version.name, version.single_file, version.files) == ("a", True, 1)
        workspace.datasets.checkout("a", tmp_path / "copy.csv")
        assert (tmp_path / "copy.csv").read_text() == "a\na.csv\n"

    def test_a_folder_that_is_not_there_is_named(self, workspace: Workspace, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"there is no .*nowhere"):
            workspace.datasets.track(str(tmp_path / "nowhere"), name="n")

    def test_lineals_own_folder_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(InvalidInput, match="own folder"):
            workspace.datasets.track(str(workspace.root / ".lineal"), name="n")

    def test_an_unknown_scheme_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(InvalidInput, match="ftp:// cannot be tracked"):
            workspace.datasets.track("ftp://host/a.csv")


class TestABucket:
    @pytest.fixture(params=["moto", "seaweed"])
    def server(self, request: pytest.FixtureRequest) -> ObjectServer:
        server: ObjectServer = request.getfixturevalue(request.param)
        return server

    def client(self, server: ObjectServer) -> Any:
        return boto3.client(
            "s3", endpoint_url=server.endpoint, aws_access_key_id=server.key, aws_secret_access_key=server.secret, region_name="us-east-1"
        )

    def bucket(self, server: ObjectServer, name: str, *, versions: bool) -> Any:
        client = self.client(server)
        client.create_bucket(Bucket=name)
        if versions:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for key in ("data/a.csv", "data/a-b.csv", "data/a/x.csv", "data/b.csv", "database/no.csv"):
            client.put_object(Bucket=name, Key=key, Body=f"a\n{key}\n".encode())
        return client

    def url(self, server: ObjectServer, place: str) -> str:
        return f"s3://{place}?endpoint={server.endpoint}&region=us-east-1"

    def test_a_bucket_that_keeps_versions_gives_back_exactly_what_was_recorded(
        self, workspace: Workspace, server: ObjectServer, tmp_path: Path
    ) -> None:
        client = self.bucket(server, "kept-track", versions=True)
        version = workspace.datasets.track(self.url(server, "kept-track/data"))
        assert (version.reference, version.files, version.tracked["label"]) == ("data@1", 4, "restorable")
        assert (version.path, version.source) == ("s3://kept-track/data", "s3://kept-track/data")
        assert workspace.datasets.track(self.url(server, "kept-track/data")) == version
        client.put_object(Bucket="kept-track", Key="data/a.csv", Body=b"changed")
        client.delete_object(Bucket="kept-track", Key="data/b.csv")
        client.put_object(Bucket="kept-track", Key="data/c.csv", Body=b"new")
        report = verified(workspace, "data@1")
        assert {change.path: change.change for change in report.changed} == {"a.csv": "modified", "b.csv": "removed", "c.csv": "added"}
        assert report.sound
        assert workspace.datasets.checkout("data@1", tmp_path / "then") == 4
        assert (tmp_path / "then/a.csv").read_bytes() == b"a\ndata/a.csv\n"
        assert (tmp_path / "then/b.csv").read_bytes() == b"a\ndata/b.csv\n"
        assert workspace.datasets.checkout("data@1", tmp_path / "then") == 0
        second = workspace.datasets.track(self.url(server, "kept-track/data"))
        assert {change.path for change in workspace.datasets.diff("data@1", "data@2").changes} == {"a.csv", "b.csv", "c.csv"}
        assert second.tracked["label"] == "restorable"
        assert changes(workspace, "data@2") == {}
        with workspace.datasets.view("data@1").open(workspace.datasets.entries("data@1", prefix="a.csv")[0]) as file:
            file.seek(2)
            assert file.read() == b"data/a.csv\n"

    def test_a_recorded_version_that_the_bucket_gave_up_is_told_of_as_a_loss(self, workspace: Workspace, moto: ObjectServer, tmp_path: Path) -> None:
        client = self.bucket(moto, "lost-track", versions=True)
        workspace.datasets.track(self.url(moto, "lost-track/data"))
        for found in client.list_object_versions(Bucket="lost-track", Prefix="data/b.csv")["Versions"]:
            client.delete_object(Bucket="lost-track", Key="data/b.csv", VersionId=found["VersionId"])
        report = verified(workspace, "data")
        assert [line.partition(":")[0] for line in report.damaged] == ["b.csv"]
        with pytest.raises(Conflict, match=r"b\.csv is gone: the version that was recorded is not kept any more"):
            workspace.datasets.checkout("data", tmp_path / "then")

    def test_a_bucket_that_keeps_no_versions_only_notices(self, workspace: Workspace, server: ObjectServer, tmp_path: Path) -> None:
        client = self.bucket(server, "plain-track", versions=False)
        version = workspace.datasets.track(self.url(server, "plain-track/data"), md5=True)
        assert version.tracked["label"] == "notice-only"
        workspace.datasets.checkout("data", tmp_path / "now")
        assert (tmp_path / "now/a/x.csv").read_bytes() == b"a\ndata/a/x.csv\n"
        client.put_object(Bucket="plain-track", Key="data/a.csv", Body=b"changed")
        assert changes(workspace, "data") == {"a.csv": "modified"}
        with pytest.raises(Conflict, match="which keeps no versions"):
            workspace.datasets.checkout("data", tmp_path / "then")
        with workspace.datasets.open("data", "a.csv") as file, pytest.raises(Conflict, match="no longer what was recorded"):
            file.read()

    def test_one_object_is_tracked_by_itself(self, workspace: Workspace, moto: ObjectServer, tmp_path: Path) -> None:
        self.bucket(moto, "one-track", versions=True)
        version = workspace.datasets.track(self.url(moto, "one-track/data/a.csv"))
        assert (version.name, version.single_file, version.path) == ("a", True, "s3://one-track/data/a.csv")
        workspace.datasets.checkout("a", tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_bytes() == b"a\ndata/a.csv\n"

    def test_what_is_not_there_and_who_is_not_let_in_is_named(
        self, workspace: Workspace, moto: ObjectServer, seaweed: ObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(NotFound, match="there is no bucket nowhere"):
            workspace.datasets.track(self.url(moto, "nowhere/data"))
        with pytest.raises(NotFound, match="there is nothing at s3://lineal/nothing"):
            workspace.datasets.track(self.url(moto, "lineal/nothing"))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(PermissionDenied) as refused:
            workspace.datasets.track(self.url(seaweed, "lineal/any"))
        assert refused.value.kind == "source-denied"


class TestAWebServer:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[tuple[str, Path]]:
        root = tmp_path / "www"
        root.mkdir()
        (root / "flights.csv").write_text("a\n1\n")

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                return

            def send_head(self) -> Any:
                moved = {"/moved.csv": "/flights.csv", "/away.csv": "http://127.0.0.2:9/stolen.csv", "/round.csv": "/round.csv"}.get(self.path)
                if moved:
                    self.send_response(302)
                    self.send_header("Location", moved)
                    self.end_headers()
                    return None
                if self.path.startswith("/bare.csv"):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"x" if self.command == "GET" else b"")
                    return None
                return super().send_head()

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()
        server.server_close()

    def test_a_file_is_tracked_by_its_headers_and_a_change_is_noticed(self, workspace: Workspace, site: tuple[str, Path], tmp_path: Path) -> None:
        url, root = site
        version = workspace.datasets.track(f"{url}/flights.csv?token=secret", md5=True)
        assert (version.name, version.path, version.size) == ("flights", f"{url}/flights.csv", 4)
        assert version.tracked["label"] == "notice-only"
        workspace.datasets.checkout("flights", tmp_path / "copy.csv")
        assert (tmp_path / "copy.csv").read_text() == "a\n1\n"
        assert changes(workspace, "flights") == {}
        (root / "flights.csv").write_text("a\n22\n")
        assert changes(workspace, "flights") == {"flights.csv": "modified"}
        (root / "flights.csv").unlink()
        assert changes(workspace, "flights") == {"flights.csv": "removed"}
        with pytest.raises(Conflict):
            workspace.datasets.checkout("flights", tmp_path / "again.csv")

    def test_redirects_are_followed_to_the_same_server_and_to_no_other(self, workspace: Workspace, site: tuple[str, Path]) -> None:
        assert workspace.datasets.track(f"{site[0]}/moved.csv").size == 4
        with pytest.raises(InvalidInput, match=r"leads to another place: http://127\.0\.0\.2:9/stolen\.csv"):
            workspace.datasets.track(f"{site[0]}/away.csv")
        with pytest.raises(Unavailable, match="redirects more than 5 times"):
            workspace.datasets.track(f"{site[0]}/round.csv")

    def test_what_is_not_there_is_named_and_who_does_not_answer_too(self, workspace: Workspace, site: tuple[str, Path]) -> None:
        with pytest.raises(NotFound, match="there is nothing at"):
            workspace.datasets.track(f"{site[0]}/none.csv")
        with pytest.raises(Unavailable, match="does not answer: the connection is refused"):
            workspace.datasets.track("http://127.0.0.1:9/x.csv")
        with pytest.raises(Unavailable, match="does not answer: the name of its server is unknown"):
            workspace.datasets.track("http://no-such-host.invalid/x.csv")

    def test_a_server_that_says_nothing_of_a_file_needs_its_md5(self, workspace: Workspace, site: tuple[str, Path]) -> None:
        with pytest.raises(InvalidInput, match="neither an entity tag nor a time"):
            workspace.datasets.track(f"{site[0]}/bare.csv")
        assert workspace.datasets.track(f"{site[0]}/bare.csv", md5=True).size == 1
        assert changes(workspace, "bare") == {}


def test_what_only_looks_at_a_tree_refuses_bytes_that_lie_elsewhere(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    from lineal.store.checkout import write_entry

    workspace.datasets.track(str(folder))
    entry = workspace.datasets.entries("big", prefix="a.csv")[0]
    store = workspace.datasets._site.store  # type: ignore[attr-defined]
    with pytest.raises(InvalidState, match="lies elsewhere"):
        write_entry(store, entry, os.fsencode(tmp_path / "x"))


class TestRunsThatReadATrackedFolder:
    def run(self, workspace: Workspace, code: str) -> Run:
        done = workspace.runs.execute(RunRequest(command=[sys.executable, "-c", code], folder=workspace.root))
        assert done.exit_code == 0
        return done

    def test_are_tied_to_it_and_store_nothing_of_it(self, workspace: Workspace, own_folder: Path) -> None:
        workspace.datasets.track(str(own_folder))
        run = self.run(workspace, "open('big/a.csv').read(); open('big/2013/b.csv').read()")
        assert {(use.path, use.dataset, use.restorable) for use in run.inputs} == {
            ("big/a.csv", "big@1", False),
            ("big/2013/b.csv", "big@1", False),
        }
        assert all(str(use.digest).startswith("etag:") for use in run.inputs)
        assert run.warnings == ()
        assert workspace.runs.artifact(f"run:{run.id}", "big/a.csv").read() == b"a\na.csv\n"
        (own_folder / "a.csv").write_text("changed since")
        with workspace.runs.artifact(f"run:{run.id}", "big/a.csv") as file, pytest.raises(Conflict, match="no longer what was recorded"):
            file.read()

    def test_are_tied_to_the_version_that_recorded_what_they_read(self, workspace: Workspace, own_folder: Path) -> None:
        workspace.datasets.track(str(own_folder))
        (own_folder / "a.csv").write_text("changed before the run")
        run = self.run(workspace, "open('big/a.csv').read()")
        (use,) = run.inputs
        assert (use.dataset, use.restorable) == ("", True)
        assert "is no longer what the latest version of big recorded of it" in run.warnings[0]
        workspace.datasets.track(str(own_folder))
        (use,) = self.run(workspace, "open('big/a.csv').read()").inputs
        assert use.dataset == "big@2"

    def test_of_a_deleted_dataset_keep_the_bytes_themselves(self, workspace: Workspace, own_folder: Path) -> None:
        workspace.datasets.track(str(own_folder))
        workspace.lineage.delete("data:big@1", workspace.lineage.plan_deletion("data:big@1").hash)
        (use,) = self.run(workspace, "open('big/a.csv').read()").inputs
        assert (use.dataset, use.restorable, str(use.digest)[:7]) == ("", True, "blake3:")
        workspace.lineage.undelete("data:big@1")
        (use,) = self.run(workspace, "open('big/2013/b.csv').read()").inputs
        assert use.dataset == "big@1"

    def test_are_reproduced_only_while_the_source_is_what_it_was(self, workspace: Workspace, own_folder: Path) -> None:
        workspace.datasets.track(str(own_folder))
        run = self.run(workspace, "open('out.txt', 'w').write(open('big/a.csv').read())")
        same = workspace.runs.reproduce(f"run:{run.id}")
        assert (same.verdict, same.evidence.missing_inputs) == ("identical", ())
        assert "big@1 lies at a source that keeps no versions: what was read there is gone once it changes" in same.reasons
        (own_folder / "a.csv").write_text("changed since")
        moved = workspace.runs.reproduce(f"run:{run.id}")
        assert moved.verdict == "inconclusive"
        assert any("a.csv changed at" in line and "the source keeps no versions of it" in line for line in moved.evidence.missing_inputs)


def test_branches_and_reverts_work_on_fixed_points(workspace: Workspace, folder: Path) -> None:
    first = workspace.datasets.track(str(folder))
    workspace.branches.create("big", "next")
    (folder / "a.csv").write_text("changed")
    second = workspace.datasets.track(str(folder), branch="next")
    assert (second.branch, second.tracked["label"]) == ("next", "notice-only")
    assert workspace.datasets.get("big").commit == first.commit
    workspace.branches.merge("big", "next", into="main")
    assert workspace.datasets.get("big").digest == second.digest
    workspace.branches.revert(f"big@{first.number}", branch="main")
    back = workspace.datasets.get("big")
    assert (back.digest, back.tracked) == (first.digest, first.tracked)


def test_a_merge_keeps_both_sides_of_a_tracked_file_and_both_can_be_had(workspace: Workspace, moto: ObjectServer) -> None:
    client = boto3.client("s3", endpoint_url=moto.endpoint, aws_access_key_id=moto.key, aws_secret_access_key=moto.secret, region_name="us-east-1")
    client.create_bucket(Bucket="merge-track")
    client.put_bucket_versioning(Bucket="merge-track", VersioningConfiguration={"Status": "Enabled"})
    address = f"s3://merge-track/data?endpoint={moto.endpoint}&region=us-east-1"
    for body, branch in ((b"first", ""), (b"theirs", "next"), (b"ours", "main")):
        client.put_object(Bucket="merge-track", Key="data/a.csv", Body=body)
        client.put_object(Bucket="merge-track", Key="data/b.csv", Body=b"same")
        workspace.datasets.track(address, branch=branch)
        if not branch:
            workspace.branches.create("data", "next")
    report = workspace.branches.merge("data", "next", into="main")
    assert len(report.conflicts) >= 1
    version = workspace.datasets.get("data")
    found = {}
    for entry in workspace.datasets.entries("data"):
        with workspace.datasets.open(f"data:{version.reference}", entry.path.decode()) as file:
            found[entry.path.decode()] = file.read()
    assert {b"ours", b"theirs"} <= set(found.values()), found
    assert changes(workspace, "data") == {}


def test_the_page_of_a_version_says_where_it_lies_and_whether_it_can_be_had_again(workspace: Workspace, folder: Path) -> None:
    workspace.datasets.track(str(folder))

    async def page() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application(workspace)), base_url="http://localhost:8400") as client:
            return (await client.get("/data/big@1")).text

    shown = anyio.run(page)
    assert str(folder) in shown
    assert "notice-only" in shown
