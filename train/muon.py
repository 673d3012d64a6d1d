"""Muon for matrices, AdamW for everything else, as one optimiser (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

Is: torch's own two optimisers under one state and one schedule; Muon's steps are scaled to AdamW's size, so that both take the same rate
(Liu et al. 2025, arXiv 2502.16982). Is not: an optimiser of our own.
"""

from collections.abc import Iterable

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """`matrices` (2-D) by Muon, `others` by AdamW; weights of one dimension do not decay."""

    def __init__(self, matrices: Iterable[nn.Parameter], others: Iterable[nn.Parameter], lr: float, weight_decay: float, beta2: float):
        others = list(others)
        tables = [p for p in others if p.ndim > 1]
        flat = [p for p in others if p.ndim < 2]
        muon = torch.optim.Muon(list(matrices), lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        groups = [{"params": tables, "weight_decay": weight_decay}, {"params": flat, "weight_decay": 0.0}]
        self.parts = [muon, torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2))]
        super().__init__([group for part in self.parts for group in part.param_groups], {"lr": lr})
        self._share()

    def _share(self) -> None:
        """One list of groups for the schedule and for both parts."""
        count = len(self.parts[0].param_groups)
        self.parts[0].param_groups, self.parts[1].param_groups = self.param_groups[:count], self.param_groups[count:]

    @torch.no_grad()
    def step(self, closure=None):
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self.parts], "param_groups": [], "state": {}}

    def load_state_dict(self, state_dict: dict) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def split(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(matrices inside the language part's layers and the projector, every other parameter that is trained)."""
    inner = ("language_model.layers.", "multi_modal_projector.")
    matrices, others = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            (matrices if p.ndim == 2 and any(part in name for part in inner) else others).append(p)
    return matrices, others
