"""A place for disturbed runs, and what an undisturbed one gives."""

import pytest

from tests.faults.runs import RUN, Place, processes_in, wait_for


@pytest.fixture
def place(tmp_path):
    """An empty folder for commands; when the test is over no process of theirs is left."""
    (tmp_path / "work").mkdir()
    found = Place(tmp_path / "work")
    yield found
    found.close()
    wait_for(lambda: not processes_in(tmp_path), 20)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    place = Place(folder)
    assert place.call(*RUN, "backend=serial").code == 0
    return place


@pytest.fixture(scope="session")
def expected(finished):
    """The tables of a run that nothing happened to."""
    return finished.tables()
