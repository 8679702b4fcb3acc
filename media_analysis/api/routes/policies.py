"""Policies: the one in force, and what another one would do."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import MOST_REASONS, document_problems, problems
from media_analysis.api.schemas.policies import PolicyApplied, PolicyApply, PolicyRead, PolicyTree, PreviewRead
from media_analysis.errors import InvalidSettings, PolicyRefused, PolicySuperseded
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
    return PreviewRead.from_preview(await services.retention.policies.preview(describe_policy(tree, in_force.policy)))


@router.post(
    "/apply",
    responses={
        **document_problems(),
        **problems(
            errors.AdminRequired,
            errors.InvalidRequest,
            errors.PolicyRefused,
            errors.PolicySuperseded,
            errors.ConfirmationNeeded,
        ),
    },
)
async def apply_policy(asked: PolicyApply, services: Serving, administrator: Administrator) -> PolicyApplied:
    """Put a policy in force and give stored files its dates; the answer comes when all have them.

    What broke off is finished by asking again: files that have their dates stay as they are.
    """
    in_force = await services.retention.policies.in_force()
    policy = describe_policy(asked.policy, in_force.policy)
    if asked.policy_version not in {None, policy.version}:
        raise PolicySuperseded(policy_version=policy.version)
    applied = await services.retention.redating.apply(policy, actor=administrator.owner, confirm=asked.confirm)
    return PolicyApplied.from_applied(applied)


def describe_policy(tree: Mapping[str, Any], base: Policy) -> Policy:
    """Return what a tree of settings makes of a policy.

    Raises:
        PolicyRefused: it says what is not allowed.

    """
    try:
        return policy_of_tree(tree, base)
    except InvalidSettings as error:
        # What a caller sends is their mistake, not the service's configuration.
        raise PolicyRefused(str(error).splitlines()[:MOST_REASONS]) from error
