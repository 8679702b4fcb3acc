"""Policies: the one in force, and what another one would do."""

from fastapi import APIRouter

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import MOST_REASONS, document_problems, problems
from media_analysis.api.schemas.policies import PolicyRead, PolicyTree, PreviewRead
from media_analysis.errors import InvalidSettings, PolicyRefused
from media_analysis.policy.decision import Policy
from media_analysis.settings import policy_of_tree

router = APIRouter(
    prefix=f"{API_PATH}/storage/policies",
    tags=["storage"],
    route_class=DocumentRoute,
    responses=problems(errors.TokenRejected, errors.DatabaseUnavailable, errors.PolicyMissing),
)


@router.get("")
async def read_policy(services: Serving, _caller: Caller) -> PolicyRead:
    """Tell the policy in force."""
    return PolicyRead.from_in_force(await services.retention.policies.in_force())


@router.post(
    "/preview",
    responses={**document_problems(), **problems(errors.AdminRequired, errors.InvalidRequest, errors.PolicyRefused)},
)
async def preview_policy(tree: PolicyTree, services: Serving, _administrator: Administrator) -> PreviewRead:
    """Tell what applying a policy would do to stored files; nothing changes."""
    in_force = await services.retention.policies.in_force()
    return PreviewRead.from_preview(await services.retention.policies.preview(_described(tree, in_force.policy)))


def _described(tree: PolicyTree, base: Policy) -> Policy:
    try:
        return policy_of_tree(tree, base)
    except InvalidSettings as error:
        # What a caller sends is their mistake, not the service's configuration.
        raise PolicyRefused(str(error).splitlines()[:MOST_REASONS]) from error
