from __future__ import annotations

import os
import subprocess
import sys

from lineal.capture.identity import process_identity, proven_dead


def test_this_process_lives() -> None:
    assert not proven_dead(process_identity())


def test_a_process_that_ended_is_dead_even_before_its_parent_noticed() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        here = process_identity()
        identity = {**here, "pid": child.pid, "pid_started": "0"}
        assert proven_dead(identity)  # another process has that pid now
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert proven_dead({**here, "pid": child.pid, "pid_started": "5"})
        child.wait()


def test_nothing_is_proven_of_other_machines_and_containers() -> None:
    here = process_identity()
    assert not proven_dead({**here, "pid": 2**22 + 7, "boot": "other", "machine": "other"})
    assert not proven_dead({**here, "pid": 2**22 + 7, "namespace": "pid:[1]"})
    assert not proven_dead({})


def test_a_process_from_before_this_machine_started_is_dead() -> None:
    here = process_identity()
    assert proven_dead({**here, "boot": "before", "machine": here["machine"]}) == bool(here["machine"])
