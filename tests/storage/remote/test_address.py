"""Addresses of buckets, and the variables that say how they are reached."""

import os
import re
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions, open_client
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.store import RemoteStore


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket", RemoteAddress(Provider.S3, "bucket")),
        ("s3://bucket/", RemoteAddress(Provider.S3, "bucket")),
        ("gs://my_bucket.example/media", RemoteAddress(Provider.GOOGLE, "my_bucket.example", "media")),
        ("az://container/a/b-2/", RemoteAddress(Provider.AZURE, "container", "a/b-2")),
    ],
)
def test_an_address_names_a_provider_a_bucket_and_a_prefix(text: str, address: RemoteAddress) -> None:
    assert RemoteAddress.parse(text) == address
    assert RemoteAddress.parse(str(address)) == address
    assert address.where("clips/a.bin") == f"{text.rstrip('/')}/clips/a.bin"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with s3://, gs:// or az://"),
        ("bucket/prefix", "begins with"),
        ("https://bucket.example", "begins with"),
        ("S3://bucket", "begins with"),
        ("s3://", "'' is not the name of a bucket"),
        ("s3:///prefix", "'' is not the name of a bucket"),
        ("s3://b", "'b' is not the name of a bucket"),
        ("s3://bucket:7480/prefix", "is not the name of a bucket"),
        ("s3://key:secret@bucket/prefix", "no user, password or parameters"),
        ("s3://bucket/prefix?versionId=1", "no user, password or parameters"),
        ("s3://bucket/a//b", "is not a prefix"),
        ("s3://bucket//x", "is not a prefix"),
        ("s3://bucket/x//", "is not a prefix"),
        ("s3://bucket//", "is not a prefix"),
        ("s3://bucket/a/../b", "is not a prefix"),
        ("s3://bu..cket/x", "is not the name of a bucket"),
        ("s3://bucket/../b", "is not a prefix"),
        ("s3://bucket/.uploads", "is not a prefix"),
        ("s3://bucket/a b", "is not a prefix"),
        ("s3://bucket/ä", "is not a prefix"),
    ],
)
def test_what_is_no_address_is_refused_in_words_that_repeat_no_password(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        RemoteAddress.parse(text)

    assert "secret" not in str(refused.value)


def test_a_store_with_a_prefix_of_its_own_is_told_by_those_variables_alone() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "hot",
        "AWS_SESSION_TOKEN": "token",
        "ARCHIVE_AWS_ACCESS_KEY_ID": "cold",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "ARCHIVE_URL": "s3://bucket",
        "PATH": "/bin",
    }

    hot, cold = credentials(environment), credentials(environment, "ARCHIVE_")

    assert dict(hot.variables) == {
        "AWS_ACCESS_KEY_ID": "hot",
        "AWS_SESSION_TOKEN": "token",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
    }
    assert dict(cold.variables) == {"AWS_ACCESS_KEY_ID": "cold", "AZURE_STORAGE_ACCOUNT_NAME": "account"}


def test_nothing_of_credentials_is_ever_shown() -> None:
    told = credentials({"AWS_ACCESS_KEY_ID": "MYKEY", "AWS_SECRET_ACCESS_KEY": "MYSECRET"})
    store = RemoteStore.at(RemoteAddress.parse("s3://bucket"), uuid4(), RemoteOptions(credentials=told))

    shown = [repr(thing) for thing in (told, store.bucket.options, store.bucket, store, store.bucket.requests)]

    assert not any("MYKEY" in text or "MYSECRET" in text for text in shown)


def test_an_endpoint_without_tls_needs_leave() -> None:
    told = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    address = RemoteAddress.parse("s3://bucket")

    with pytest.raises(ValueError, match="AWS_ALLOW_HTTP=true"):
        RemoteStore.at(address, uuid4(), RemoteOptions(credentials=credentials(told)))
    allowed = credentials({**told, "AWS_ALLOW_HTTP": "true"})
    RemoteStore.at(address, uuid4(), RemoteOptions(credentials=allowed)).close()


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "none.pem"
    told = credentials({"AWS_CA_BUNDLE": str(path)})

    with pytest.raises(ValueError, match=r"AWS_CA_BUNDLE: .*none\.pem cannot be read: No such file"):
        RemoteStore.at(RemoteAddress.parse("s3://bucket"), uuid4(), RemoteOptions(credentials=told))


def test_an_account_that_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match="Account must be specified"):
        RemoteStore.at(RemoteAddress.parse("az://container"), uuid4(), RemoteOptions())


def test_opening_a_store_leaves_the_environment_of_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the process's own is no replica store's: obstore would take whatever it is not told from there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token of the first")
    before = dict(os.environ)
    told = credentials({"ARCHIVE_AWS_ACCESS_KEY_ID": "cold", "ARCHIVE_AWS_SECRET_ACCESS_KEY": "b"}, "ARCHIVE_")

    RemoteStore.at(RemoteAddress.parse("s3://bucket"), uuid4(), RemoteOptions(credentials=told)).close()

    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("url", "variables", "cause"),
    [
        ("az://media", {"AZURE_STORAGE_ACCOUNT_KEY": "no-base64"}, "the key of the account is not base64"),
        ("gs://media", {"GOOGLE_SERVICE_ACCOUNT": "/no-base64"}, "the file of the service account cannot be opened"),
        ("gs://media", {"GOOGLE_SERVICE_ACCOUNT_KEY": "no-base64"}, "the service account is not JSON"),
        ("az://media", {"AZURE_STORAGE_SAS_TOKEN": "no-base64"}, "Missing component in SAS"),
        ("s3://media", {"AWS_ENDPOINT_URL": "no-base64"}, "AWS_ENDPOINT_URL does not begin with https://"),
        (
            "s3://media",
            {"AWS_ENDPOINT_URL": "https://host:99999/no-base64"},
            "AWS_ENDPOINT_URL is no address of a server",
        ),
        ("s3://media", {"AWS_ENDPOINT_URL": "https://user:no-base64@host"}, "without user or parameters"),
        ("s3://media", {"AWS_ENDPOINT_URL_S3": "https://host?no-base64"}, "AWS_ENDPOINT_URL_S3 is no address"),
        ("s3://media", {"AWS_ENDPOINT": "https://[no-base64"}, "AWS_ENDPOINT is no address of a server"),
        ("az://media", {"AZURE_STORAGE_ENDPOINT": "https:///no-base64"}, "AZURE_STORAGE_ENDPOINT is no address"),
        ("gs://media", {"GOOGLE_BASE_URL": "no-base64"}, "GOOGLE_BASE_URL does not begin with https://"),
        ("s3://media", {"AWS_CA_BUNDLE": os.devnull}, "has no certificate"),
    ],
)
def test_credentials_that_make_no_sense_are_told_by_what_is_wrong_and_never_shown(
    url: str, variables: dict[str, str], cause: str
) -> None:
    told = RemoteOptions(credentials=credentials({"AZURE_STORAGE_ACCOUNT_NAME": "account"} | variables))

    with pytest.raises(ValueError, match=cause) as refused:
        open_client(RemoteAddress.parse(url), told, timeout_seconds=1)

    assert "no-base64" not in str(refused.value)


@pytest.mark.parametrize(
    ("provider", "name"), [(Provider.S3, "AWS_ENDPOINT_URL"), (Provider.AZURE, "AZURE_STORAGE_ENDPOINT")]
)
def test_a_slash_behind_an_endpoint_means_nothing(provider: Provider, name: str) -> None:
    """At the address of a bucket itself obstore would put it before every key, where our own requests do not look."""
    told = credentials({name: "https://bucket.example.org/"}).config_for(provider)

    assert told == {name.lower(): "https://bucket.example.org"}
