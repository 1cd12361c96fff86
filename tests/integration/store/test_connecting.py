"""Opening the database: indexes, credentials, certificates, and addresses that lead nowhere."""

import asyncio
import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from core.adapters.mongo import TaskStore, connect
from core.adapters.mongo.client import patience
from core.adapters.mongo.indexes import INDEXES
from core.adapters.mongo.refusals import lasting, url_refusal
from core.errors import InvalidRequestError, StoreUnavailableError
from tests.support.secantus import Secantus, free_port

PASSWORD = "s3cret/w0rd"
ESCAPED = "s3cret%2Fw0rd"
# pymongo leaves a socket unclosed when it is closed while it connects.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What is left unclosed is found within its test."""
    yield
    gc.collect()


async def refusal_of(url: str) -> str:
    """The sentence with which a URL is refused for good; it must not hold any of the password."""
    with pytest.raises(InvalidRequestError) as refused:
        async with connect(url, "x"):
            pass
    assert refused.value.code == "invalid_settings"
    assert not {"s3cret", "w0rd"} & set(refused.value.message.replace("/", " ").replace(":", " ").split())
    return refused.value.message


async def test_processes_that_start_at_once_make_the_same_indexes(settings):
    """Each finds all of them, and nobody fails."""

    async def names() -> dict[str, set[str]]:
        async with connect(settings.mongo_url, settings.mongo_database) as database:
            return {name: set(await database[name].index_information()) for name in INDEXES}

    wanted = {name: {"_id_", *(index.document["name"] for index in indexes)} for name, indexes in INDEXES.items()}
    assert await asyncio.gather(*(names() for _ in range(5))) == [wanted] * 5


async def test_an_index_that_is_otherwise_is_named(settings):
    """With what to do about it."""
    with MongoClient(settings.mongo_url) as client:
        client[settings.mongo_database]["tasks"].create_index([("open", -1)], name="by_upkeep")
        with pytest.raises(InvalidRequestError, match=r"index by_upkeep .* tasks .*dropIndex\('by_upkeep'\)"):
            async with connect(settings.mongo_url, settings.mongo_database):
                pass
        client[settings.mongo_database]["tasks"].drop_index("by_upkeep")
    async with connect(settings.mongo_url, settings.mongo_database) as database:
        assert await TaskStore(database).any() is False


async def test_writes_are_acknowledged_by_a_majority_and_its_journals(settings):
    """Whatever the URL says: a write that was acknowledged must survive a crash."""
    async with connect(f"{settings.mongo_url}&w=0&journal=false", settings.mongo_database) as database:
        assert database["tasks"].write_concern.document == {"w": "majority", "j": True, "wtimeout": 10_000}
        assert database.client.options.retry_writes
        assert database.client.options.retry_reads


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://me:{PASSWORD}@host:27017/",
        f"mongodb://me:{PASSWORD}@host:port/",
        "mongodb://me:123/w0rd@host",
        "mongodb://me:s3cret@w0rd@host/",
        "mongodb://me:s3cret%@host/",
        "mongodb://me:s3cret@host:99999/",
        "mongodb://me:s3cret@host/?tls=true&tlsCAFile=/not/there",
        "http://me:s3cret@host/",
        "mongodb+srv://me:s3cret@host:27017/",
        "mongodb://",
        "ftp://host/",
    ],
)
async def test_a_url_that_is_none_is_refused_without_its_password(url):
    """One sentence that says what one looks like."""
    assert "mongodb://user:password@host:27017/" in await refusal_of(url)


@pytest.mark.parametrize(
    ("said", "told"), [("Port 's3cret' is no number.", False), ("The option tls must be true or false.", True)]
)
def test_what_the_driver_says_is_told_where_it_holds_no_secret(said, told):
    """Whatever later drivers say."""
    message = url_refusal("mongodb://me:s3cret@host/", ValueError(said)).message
    assert (said.rstrip(".") in message, "s3cret" in message) == (told, False)


@pytest.mark.parametrize("host", ["nowhere.invalid", "127.0.0.1"])
async def test_an_address_that_does_not_answer_is_waited_for(host):
    """It may come: one short sentence that names it, and nothing of the credentials."""
    url = f"mongodb://me:{ESCAPED}@{host}:{free_port()}/"
    with patience(0.2), pytest.raises(StoreUnavailableError) as away:
        async with connect(url, "x"):
            pass
    assert host in away.value.message
    assert "s3cret" not in away.value.message
    assert len(away.value.message) < 200


async def test_credentials_are_taken_from_the_url(tmp_path):
    """Right ones work; a wrong password, none at all: a lasting refusal."""
    with Secantus(tmp_path / "db") as database:
        with MongoClient(database.url) as client:
            client["admin"].command("createUser", "me", pwd=PASSWORD, roles=["root"])
        database.stop()  # killed, it forgets users that it has just made
    with Secantus(tmp_path / "db", None, "--auth") as database:
        host = f"127.0.0.1:{database.port}/?directConnection=true"
        async with connect(f"mongodb://me:{ESCAPED}@{host}", "x") as opened:
            assert await TaskStore(opened).any() is False
        assert "name or the password" in await refusal_of(f"mongodb://me:s3cret@{host}")
        assert "may not use the database" in await refusal_of(f"mongodb://{host}")


def test_a_user_without_rights_is_told_which(settings):
    """As MongoDB says it."""
    refused = lasting(OperationFailure("not authorized on x to execute command", 13))
    assert refused is not None
    assert "readWrite" in refused.message


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *names], check=True, capture_output=True)
    return certificate, key


async def test_certificates_are_checked_by_the_url(tmp_path: Path, certificate: tuple[Path, Path]):
    """With the authority that the URL names it answers; with none it is not trusted, and nothing is sent."""
    options = ("--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1]))
    with Secantus(tmp_path / "db", None, *options, query=f"&tls=true&tlsCAFile={certificate[0]}") as database:
        async with connect(database.url, "x") as opened:
            assert await TaskStore(opened).any() is False
        stranger = database.url.partition("&tlsCAFile")[0]
        with patience(1), pytest.raises(StoreUnavailableError, match="certificate"):
            async with connect(stranger, "x"):
                pass
