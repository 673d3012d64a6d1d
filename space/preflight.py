"""Checks before a deployment: whether the account may make the Space, and what the model's repository says
about itself.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.hub.errors import HubError, asking
from space.order import ZERO, Order

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CPU_BASIC = "cpu-basic"
TOKEN = "HF_TOKEN"


def check_account(api: "HfApi", order: Order) -> Iterator[str]:
    """Token, permission, plan and quota; yields a line for each. Errors: HubError."""
    with asking("log in to the Hub"):
        account = api.whoami()
    namespace = order.repo_id.partition("/")[0]
    organisations = {each["name"] for each in account.get("orgs", ())}
    if namespace not in {account["name"], *organisations}:
        places = ", ".join([account["name"], *sorted(organisations)])
        raise HubError(
            f"{account['name']} cannot make Spaces under {namespace}; expected one of {places}", status=403
        )
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError(
            "the token may only read; make one that may write (huggingface.co/settings/tokens) and log in "
            "with it: `hf auth login`",
            status=403,
        )
    paid = account.get("isPro") or namespace in organisations
    yield f"logged in as {account['name']}, {'PRO' if account.get('isPro') else 'free'} plan"
    hardware = order.hardware or ZERO
    if hardware == CPU_BASIC and not paid:
        yield f"on a free plan the Hub refuses new Spaces on {CPU_BASIC}; {ZERO} is allowed"
    elif hardware == ZERO:
        yield _quota(api)


def _quota(api: "HfApi") -> str:
    try:
        with asking("read the ZeroGPU quota"):
            quota = api.get_zero_gpu_quota()
    except HubError as error:
        if error.unreachable:
            raise
        return "ZeroGPU quota unknown: the token may not read it"
    left = f"{quota.remaining / 60:.1f} of {quota.base / 60:.0f} minutes"
    return f"ZeroGPU quota: {left} left today; the question asked at the end takes some"


def check_model(api: "HfApi", order: Order) -> Order:
    """The order with what the model's repository says about itself, and with the commit that its revision
    names. Errors: HubError."""
    from huggingface_hub import hf_hub_download

    from medreasoner.manifest import Manifest

    model, revision = order.content.model, order.content.revision
    if model is None:
        return order
    with asking(f"look at the model {model}", model, revision):
        info = api.model_info(model, revision=revision)
        closed = bool(info.private or info.gated)
        manifest = Manifest()
        if "medreasoner.json" in {each.rfilename for each in info.siblings}:
            manifest = Manifest.read(
                Path(hf_hub_download(model, "medreasoner.json", revision=info.sha)).parent
            )
    if closed and TOKEN not in order.secrets:
        raise HubError(
            f"{model} is {'private' if info.private else 'gated'}, so the Space needs a token that may read "
            f"it; set {TOKEN} and add --secret {TOKEN}"
        )
    # a Space preloads the newest revision only
    known = {"own_segmenter": manifest.segmenter is not None, "preload": not (closed or revision)}
    return replace(order, content=replace(order.content, **known, revision=info.sha if revision else None))
