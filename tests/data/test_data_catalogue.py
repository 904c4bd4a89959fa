"""The catalogue on SQLite and, where PostgreSQL is installed, on a real server: the same behaviour on both."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonometry.core import DataError, OutputError, UsageError
from sonometry.data.catalogue import Catalogue
from sonometry.data.clip_facts import ClipFacts, FileStamp
from sonometry.data.schema import ABOUT, open_engine
from sonometry.io.manifest import ManifestRow

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _as_unprivileged(words: list[str], folder: Path) -> None:
    """PostgreSQL refuses to run as root; Debian's package makes the user postgres."""
    user = {"user": "postgres"} if os.getuid() == 0 else {}
    subprocess.run(
        words, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, **user
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own on a socket in a temporary folder; the URL of its database."""
    pytest.importorskip("psycopg")
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    import tempfile

    place = Path(tempfile.mkdtemp(prefix="sonometry-pg-", dir="/tmp"))  # a socket's path is short, and open to its user
    if os.getuid() == 0:
        shutil.chown(place, "postgres")
    data, control = place / "data", str(PROGRAMS[-1] / "pg_ctl")
    name = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    try:
        _as_unprivileged(
            [str(PROGRAMS[-1] / "initdb"), "-D", str(data), "-A", "trust", "-U", name, "-E", "UTF8"], place
        )
        options = f"-k {place} -c listen_addresses='' -c fsync=off"
        _as_unprivileged([control, "-D", str(data), "-o", options, "-l", str(place / "log"), "-w", "start"], place)
        yield f"postgresql://{name}@/postgres?host={place}"
    finally:
        if (data / "postmaster.pid").exists():
            _as_unprivileged([control, "-D", str(data), "-m", "immediate", "-w", "stop"], place)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None for SQLite, or the URL of an empty PostgreSQL database."""
    if request.param == "sqlite":
        yield None
        return
    url = request.getfixturevalue("server")
    yield url
    from sonometry.data.schema import METADATA

    engine = open_engine(Path(), url)
    METADATA.drop_all(engine)
    engine.dispose()


@pytest.fixture
def catalogue(tmp_path: Path, database: str | None) -> Iterator[Catalogue]:
    with Catalogue(tmp_path, database) as opened:
        yield opened


def _facts(number: int, subject: str = "s1", **more: object) -> ClipFacts:
    stamp = FileStamp(f"{number:03d}.dcm", 100, 7)
    values = {"kind": "cine", "subject_key": subject, "study_key": f"{subject}-study", "view": "A4C", **more}
    return ClipFacts(stamp, sha256=f"{number << 100:064x}", **values)  # type: ignore[arg-type]


def test_a_batch_entered_twice_is_there_once(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    for _ in "12":
        assert catalogue.add_root(tmp_path) == root
        catalogue.record(root, [_facts(1), _facts(2, "s2")])
    assert [clip.path for clip in catalogue.clips()] == ["001.dcm", "002.dcm"]
    assert set(catalogue.subject_splits()) == {"s1", "s2"}


def test_one_content_in_two_files_is_one_clip(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    copy = ClipFacts(FileStamp("copy.dcm", 100, 7), sha256=f"{1 << 100:064x}", kind="cine", subject_key="s2")
    catalogue.record(root, [_facts(1), copy])
    assert len(catalogue.clips()) == 1
    assert list(catalogue.duplicates().values()) == [[(root, "001.dcm"), (root, "copy.dcm")]]


def test_clips_are_chosen_by_their_columns(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    catalogue.record(root, [_facts(1), _facts(2, "s2", view="PLAX"), _facts(3, "s2")])
    catalogue.assign({"s2": "test"})
    assert [clip.path for clip in catalogue.clips(view="A4C", split="test")] == ["003.dcm"]
    with pytest.raises(UsageError, match="cannot be chosen by colour"):
        catalogue.clips(colour="red")


def test_labels_come_back_in_any_script(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    catalogue.record(root, [_facts(1)])
    row = ManifestRow("clip-0", "001.dcm", "cine", "s1", labels={"befund": "auffällig ≥ 2", "grade": "3"})
    catalogue.apply_rows(root, [row])
    assert catalogue.clips()[0].label_map == {"befund": "auffällig ≥ 2", "grade": "3"}
    assert catalogue.groups("grade") == [("s1", "3", "", "", 1)]
    assert catalogue.label_names() == ["befund", "grade"]


def test_an_empty_cell_of_a_manifest_erases_nothing(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    catalogue.record(root, [_facts(1)])
    catalogue.apply_rows(root, [ManifestRow("clip-0", "001.dcm", "cine", "s1", labels={"grade": "3"})])
    catalogue.apply_rows(root, [ManifestRow("clip-0", "001.dcm", "cine", "s1", labels={"grade": ""})])
    (clip,) = catalogue.clips()
    assert (clip.view, clip.label_map) == ("A4C", {"grade": "3"})


def test_a_key_that_another_recording_has_is_not_given_twice(catalogue, tmp_path):
    one, other = catalogue.add_root(tmp_path / "a"), catalogue.add_root(tmp_path / "b")
    row = ManifestRow("view-0-000000", "001.dcm", "cine", "s1")
    catalogue.record(one, [_facts(1)], {"001.dcm": row})
    second = ClipFacts(FileStamp("001.dcm", 100, 7), sha256=f"{2:064x}", kind="cine", subject_key="s1")
    catalogue.record(other, [second], {"001.dcm": row})
    assert [clip.clip_key for clip in catalogue.clips()] == ["view-0-000000", f"clip-{2:064x}"[:21]]


def test_digests_that_begin_alike_are_two_clips(catalogue, tmp_path):
    catalogue.record(catalogue.add_root(tmp_path), [_facts(1), _facts(2)])  # differ in digit 38 of 64
    assert len({clip.clip_key for clip in catalogue.clips()}) == 2


def test_splits_stay_unless_they_are_replaced(catalogue, tmp_path):
    catalogue.record(catalogue.add_root(tmp_path), [_facts(1)])
    for split in ("train", "test"):
        catalogue.assign({"s1": split})
    assert catalogue.subject_splits() == {"s1": "train"}
    catalogue.assign({"s1": "test"}, replace=True)
    assert catalogue.clips()[0].split == "test"


def test_an_error_within_a_batch_leaves_nothing_of_it(catalogue, tmp_path):
    root = catalogue.add_root(tmp_path)
    broken = _facts(2, view=None)
    with pytest.raises(DataError):
        catalogue.record(root, [_facts(1), broken])
    assert (catalogue.clips(), catalogue.files(root), catalogue.subject_splits()) == ([], {}, {})


@pytest.mark.peers
def test_ingest_gives_the_same_manifest_on_both(server, tmp_path):
    import numpy as np
    import simplejpeg

    from sonometry.data.schema import METADATA
    from sonometry.workflows.ingest import ingest
    from sonometry.workflows.splits import splits

    rng, texts = np.random.default_rng(0), []
    for i in range(12):
        (tmp_path / f"d/p{i}").mkdir(parents=True)
        frame = rng.integers(0, 255, (16, 16, 1), dtype=np.uint8)
        (tmp_path / f"d/p{i}/a.jpg").write_bytes(simplejpeg.encode_jpeg(frame, 95, "GRAY", "Gray"))
    for url in (server, None):
        (tmp_path / "d/manifest.csv").unlink(missing_ok=True)
        ingest(tmp_path / "d", workspace=tmp_path / "w", database=url)
        splits(workspace=tmp_path / "w", database=url, seed=1)
        texts.append((tmp_path / "d/manifest.csv").read_bytes())
    engine = open_engine(Path(), server)
    METADATA.drop_all(engine)
    engine.dispose()
    assert texts[0] == texts[1]


@pytest.mark.peers
def test_a_server_that_is_not_there_is_told_without_the_password(server, tmp_path):
    with pytest.raises(DataError, match="server of --database cannot be reached") as caught:
        open_engine(tmp_path, server.replace("@", ":geheim@").replace("sonometry-pg", "nowhere"))
    assert "geheim" not in str(caught.value)


def test_a_catalogue_of_another_version_is_refused(tmp_path):
    engine = open_engine(tmp_path)
    with engine.begin() as connection:
        connection.execute(ABOUT.update().values(schema_version=99))
    with pytest.raises(DataError, match="has version 99"):
        open_engine(tmp_path)


def test_a_workspace_that_is_a_file_is_told(tmp_path):
    (tmp_path / "w").write_text("x")
    with pytest.raises(OutputError, match=r"catalogue\.sqlite cannot be written"):
        open_engine(tmp_path / "w")


@pytest.mark.parametrize("url", ["mysql://a/b", "nonsense", "sqlite:///x"])
def test_other_databases_are_refused(tmp_path, url):
    with pytest.raises(UsageError, match="--database must be a URL like postgresql"):
        open_engine(tmp_path, url)
