"""What a provider's usual environment variables say of how a bucket is reached, and who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from media_analysis.storage.remote.address import Provider

FAMILIES: Final = {Provider.S3: "AWS_", Provider.AZURE: "AZURE_", Provider.GOOGLE: "GOOGLE_"}
"""What the names of a provider's variables begin with."""
_KNOWN: Final = frozenset(
    """
    aws_access_key_id aws_secret_access_key aws_session_token aws_token aws_region aws_default_region aws_endpoint_url
    aws_endpoint_url_s3 aws_endpoint aws_container_authorization_token_file aws_container_credentials_full_uri
    aws_container_credentials_relative_uri aws_disable_bulk_delete aws_disable_tagging aws_imdsv1_fallback
    aws_metadata_endpoint aws_request_payer aws_role_arn aws_role_session_name aws_s3_express
    aws_server_side_encryption aws_sse_bucket_key_enabled aws_sse_customer_key_base64 aws_sse_kms_key_id
    aws_sts_endpoint aws_unsigned_payload aws_virtual_hosted_style_request aws_web_identity_token_file

    azure_authority_host azure_client_id azure_client_secret azure_credential_type azure_endpoint
    azure_federated_token_file azure_identity_endpoint azure_msi_endpoint azure_msi_resource_id azure_object_id
    azure_storage_access_key azure_storage_account_key azure_storage_account_name azure_storage_authority_host
    azure_storage_authority_id azure_storage_client_id azure_storage_client_secret azure_storage_endpoint
    azure_storage_master_key azure_storage_sas_key azure_storage_sas_token azure_storage_tenant_id azure_storage_token
    azure_storage_use_emulator azure_tenant_id azure_use_azure_cli

    google_application_credentials google_base_url google_bearer_token google_service_account
    google_service_account_key google_service_account_path
    """.split()  # noqa: SIM905 - read as a table
)
"""What obstore takes of them, but the bucket's name and what would change what our requests mean."""
_ENDPOINTS: Final = {
    Provider.S3: ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    Provider.AZURE: ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    Provider.GOOGLE: ("GOOGLE_BASE_URL",),
}
_TRUE: Final = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class RemoteCredentials:
    """The variables of one store, by their usual names without its own prefix; none is ever shown."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def config_for(self, provider: Provider) -> Mapping[str, str]:
        """Return what obstore is told of a provider, all of it."""
        family, endpoints = FAMILIES[provider], _ENDPOINTS[provider]
        return {
            name.lower(): value.rstrip("/") if name in endpoints else value
            for name, value in self.variables.items()
            if name.startswith(family) and name.lower() in _KNOWN and value
        }

    def require_endpoints(self, provider: Provider) -> None:
        """Raise ValueError if what names a server is no address of one; it may have a password and is not repeated."""
        for name in _ENDPOINTS[provider]:
            if value := self.variables.get(name):
                _require_endpoint(name, value)

    def allows_http(self, provider: Provider) -> bool:
        """Say whether requests may go unencrypted."""
        return self.variables.get(f"{FAMILIES[provider]}ALLOW_HTTP", "").lower() in _TRUE

    def ca_bundle(self, provider: Provider) -> bytes | None:
        """Return the certificates that are trusted beside the system's, as PEM.

        Raises:
            ValueError: the file cannot be read, or has none.

        """
        name = f"{FAMILIES[provider]}CA_BUNDLE"
        path = self.variables.get(name)
        if not path:
            return None
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ValueError(f"{name}: {path} cannot be read: {error.strerror}") from error
        if b"BEGIN CERTIFICATE" not in content:
            raise ValueError(f"{name}: {path} has no certificate in PEM")
        return content

    @property
    def s3_endpoint(self) -> str | None:
        """Where S3 is spoken if that is not Amazon's own."""
        names = _ENDPOINTS[Provider.S3]
        return next((self.variables[name].rstrip("/") for name in names if self.variables.get(name)), None)

    @property
    def s3_region(self) -> str:
        return self.variables.get("AWS_REGION") or self.variables.get("AWS_DEFAULT_REGION") or "us-east-1"

    @property
    def s3_endpoint_has_bucket(self) -> bool:
        """Whether the endpoint is the bucket's own."""
        return self.variables.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() in _TRUE


def credentials(environment: Mapping[str, str], prefix: str = "") -> RemoteCredentials:
    """Return the variables that are for one store: those with its prefix, `ARCHIVE_` say, of each provider at once.

    A provider of whom nothing has the prefix is told what the variables without one say.
    """
    found: dict[str, str] = {}
    for family in FAMILIES.values():
        own = _beginning(environment, prefix, family)
        found |= own or _beginning(environment, "", family)
    return RemoteCredentials(found)


def _require_endpoint(name: str, value: str) -> None:
    if not value.startswith(("https://", "http://")):
        raise ValueError(f"{name} does not begin with https:// or http://")
    try:
        told = urlsplit(value)
        names_a_server = told.hostname is not None and told.port != 0 and "@" not in told.netloc
    except ValueError:  # of a port, or of an address of IPv6
        names_a_server = False
    if not names_a_server or any(mark in value for mark in "?#"):
        raise ValueError(f"{name} is no address of a server, such as https://host:9000, without user or parameters")


def _beginning(environment: Mapping[str, str], prefix: str, family: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(f"{prefix}{family}")
    }
