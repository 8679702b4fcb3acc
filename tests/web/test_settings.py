"""The settings' screen."""

from tests.web.conftest import SignIn


async def test_settings_are_for_who_runs_the_store_and_keep_secrets(sign_in: SignIn) -> None:
    refused = await (await sign_in("alice")).get("/settings")
    shown = (await (await sign_in("admin")).get("/settings")).text

    assert refused.status_code == 403
    assert "Store and database are well." in shown
    assert "STORAGE_MONITORING_RESERVE_BYTES" in shown
    assert "1.0 MiB" in shown
