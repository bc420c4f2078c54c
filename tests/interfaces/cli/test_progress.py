import pytest

from lineal.interfaces.cli.progress import progress


def test_without_a_terminal_progress_is_a_few_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        for done in range(1000):
            report("reading", done, 1000)
        report("writing", 0, 0)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["reading …", "writing …"]


def test_on_a_terminal_progress_is_a_bar_that_goes_away(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress() as report:
        report("reading", 1, 0)
        report("reading", 1, 2)
        report("reading", 2, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert "reading" in told.err
